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
