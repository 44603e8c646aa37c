import { Tensor } from "./tensor.ts";

/**
 * A copy of a matrix (rows, columns) of f32 in a texture, four elements to a texel: what products of few rows read far faster on
 * CPU adapters. No other operation takes it. Undefined where it would not be faster, or a texture cannot hold it.
 *
 * It is no part of the pool: `storage.texture.destroy()` gives it back.
 */
export function asTexture(x: Tensor): Tensor | undefined {
  const { gpu, storage, shape: [rows, columns] } = x, { device } = gpu, limit = device.limits.maxTextureDimension2D;
  const height = Math.min(rows, limit), beside = Math.ceil(rows / height), width = columns / 4;
  const fits = columns % 64 === 0 && width * beside <= limit; // copies go by rows of whole 256 bytes
  if (!gpu.isCpu || !gpu.hasSubgroupsOf8 || x.dtype !== "f32" || x.offset !== 0 || !fits) return undefined;
  const texture = device.createTexture({
    label: x.label,
    size: [width * beside, height],
    format: "rgba32float",
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
  });
  gpu.recorder.submit();
  const encoder = device.createCommandEncoder();
  for (let part = 0; part < beside; part++) {
    encoder.copyBufferToTexture(
      { buffer: storage.buffer, offset: part * height * columns * 4, bytesPerRow: columns * 4 },
      { texture, origin: [part * width, 0] },
      [width, Math.min(height, rows - part * height)],
    );
  }
  device.queue.submit([encoder.finish()]);
  return new Tensor(gpu, gpu.pool.outside(storage, texture), x.shape, { label: x.label });
}

/**
 * A copy of a tensor's memory in a texture that the pool lends, four elements to a texel: for kernels that read each element many
 * times on a CPU adapter, where a texel comes far faster than four elements of a buffer. It belongs to the innermost scope.
 * Undefined for what is not f32, or larger than a texture.
 */
export function texels({ gpu, storage, shape, size, dtype, offset, label }: Tensor): Tensor | undefined {
  if (dtype !== "f32" || offset % 4 !== 0) return undefined;
  const texture = gpu.allocateTexture(4 * size, storage);
  if (!texture) return undefined;
  gpu.recorder.copyToTexture(storage, 4 * offset, texture, 4 * size);
  return new Tensor(gpu, texture, shape, { label });
}
