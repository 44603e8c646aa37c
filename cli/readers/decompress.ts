import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { ChunkReader } from "./chunk_reader.ts";
import { DamagedFile } from "./damaged_file.ts";

/** How a file is compressed. */
export type Compression = "gzip" | "zstd" | "none";

/** The compression that the first four bytes of a file show. */
export function compressionOf(start: Uint8Array): Compression {
  if (start.length < 4) return "none";
  if (start[0] === 0x1f && start[1] === 0x8b) return "gzip";
  const magic = new DataView(start.buffer, start.byteOffset).getUint32(0, true);
  return magic === zstdMagic || isSkippable(magic) ? "zstd" : "none";
}

/**
 * The content of compressed bytes, in chunks, never more of it at a time than a window. Files of several gzip members
 * or zstd frames are read to their end.
 *
 * @throws {DamagedFile} where the data are broken or end too early.
 */
export function decompress(chunks: AsyncIterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array> {
  if (compression === "gzip") {
    // not the web's DecompressionStream: in Deno it fails at the second member
    return through(createGunzip({ chunkSize: 1 << 18 }), chunks);
  }
  return compression === "zstd" ? unzstd(chunks) : chunks;
}

/** What comes out of a decompressor into which chunks are written one by one, as fast as somebody reads. */
async function* through(
  stream: ReturnType<typeof createGunzip>,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let failure: unknown, breakOff = (_error: unknown) => {};
  const fail = (error: unknown) => {
    failure ??= error;
    breakOff(error); // after an error a write is never answered
  };
  stream.on("error", fail); // stays to the end, since some errors come after the last chunk
  const write = (chunk: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      breakOff = reject;
      if (failure !== undefined) reject(failure);
      else stream.write(chunk, (error) => error ? reject(error) : resolve());
    });
  const feed = async () => {
    for await (const chunk of chunks) await write(chunk);
    stream.end();
  };
  const fed = feed().catch((error) => {
    fail(error);
    stream.destroy();
  });
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    fail(error);
  } finally {
    stream.destroy();
    breakOff(new Error("nobody reads on"));
    await fed; // which lets go of the chunks
  }
  if (failure instanceof DamagedFile) throw failure;
  if (failure !== undefined) throw new DamagedFile((failure as Error).message);
}

const zstdMagic = 0xfd2fb528;
const isSkippable = (magic: number) => magic >>> 4 === 0x184d2a5;

/**
 * The content of zstd frames (RFC 8878). Node's decompressor, as Deno has it, ends at the end of the first frame and
 * takes no notice of one that is cut off, so frames are told apart here and each goes through one of its own.
 */
async function* unzstd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new ChunkReader(chunks);
  try {
    while ((await reader.peek(1)).length > 0) {
      const start = await reader.peek(8);
      if (start.length < 8) throw new DamagedFile("it ends in the middle of its data");
      const view = new DataView(start.buffer, start.byteOffset);
      const magic = view.getUint32(0, true);
      if (isSkippable(magic)) await reader.skip(8 + view.getUint32(4, true));
      else if (magic === zstdMagic) {
        const params = { [constants.ZSTD_d_windowLogMax]: 27 }; // 128 MiB, as the zstd program allows
        yield* through(createZstdDecompress({ chunkSize: 1 << 18, params }), zstdFrame(reader));
      } else throw new DamagedFile("what follows a zstd frame is not one");
    }
  } finally {
    await reader.close();
  }
}

/** The bytes of the frame at which the reader stands, block by block. */
async function* zstdFrame(reader: ChunkReader): AsyncGenerator<Uint8Array> {
  const descriptor = (await reader.peek(5))[4];
  const singleSegment = (descriptor & 0x20) !== 0, hasChecksum = (descriptor & 4) !== 0;
  const contentSize = descriptor >> 6;
  if ((descriptor & 3) !== 0) throw new DamagedFile("it is compressed with a dictionary of its own");
  yield await reader.take(
    5 + (singleSegment ? 0 : 1) + [singleSegment ? 1 : 0, 2, 4, 8][contentSize],
  );
  for (let last = false; !last;) {
    const start = await reader.peek(3);
    if (start.length < 3) throw new DamagedFile("it ends in the middle of its data");
    const header = start[0] | start[1] << 8 | start[2] << 16, type = header >> 1 & 3;
    last = (header & 1) !== 0;
    yield await reader.take(3 + (type === 1 ? 1 : header >> 3)); // a block of a repeated byte has only that one
  }
  if (hasChecksum) yield await reader.take(4);
}
