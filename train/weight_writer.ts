import { sizeOf } from "../engine/shape.ts";
import { encodeHeader } from "../model/safetensors_format.ts";
import { hashText } from "./checksums.ts";
import { writeAll } from "./files.ts";
import { Xxh32 } from "./xxh32.ts";

const pieceBytes = 1 << 23;

/** Names and shapes of f32 tensors, in order. */
export type TensorShapes = readonly (readonly [name: string, shape: readonly number[]])[];

/** How weights are written. */
export interface WeightWriterOptions {
  /** Strings under `__metadata__` of each file. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Bytes of tensors that a file holds at most, but for a tensor that is larger. */
  readonly maxShardSize: number;
}

/**
 * Writes f32 tensors into a directory in Hugging Face's layout: `NAME.safetensors`, or where that would be larger than
 * `maxShardSize`, `NAME-00001-of-0000N.safetensors` with `NAME.safetensors.index.json`. `read` gives their bytes one
 * after another, at least one and at most as many as it is asked for. Returns the hash of each file.
 */
export async function writeWeights(
  directory: string,
  base: string,
  tensors: TensorShapes,
  read: (limit: number) => Promise<Uint8Array>,
  { metadata, maxShardSize }: WeightWriterOptions,
): Promise<Map<string, Xxh32>> {
  const shards = planShards(tensors, maxShardSize), hashes = new Map<string, Xxh32>();
  const names = shards.map((_, i) =>
    shards.length === 1 ? `${base}.safetensors` : `${base}-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`
  );
  for (const [i, shard] of shards.entries()) {
    using file = await Deno.open(`${directory}/${names[i]}`, { write: true, createNew: true });
    const hash = new Xxh32();
    const write = async (bytes: Uint8Array): Promise<number> => {
      hash.update(bytes);
      await writeAll(file, bytes);
      return bytes.length;
    };
    await write(encodeHeader(shard.map(([name, shape]) => [name, { dtype: "f32", shape }]), metadata));
    for (let left = bytesOf(shard); left > 0;) left -= await write(await read(Math.min(left, pieceBytes)));
    hashes.set(names[i], hash);
  }
  if (shards.length > 1) {
    const weight_map = Object.fromEntries(shards.flatMap((shard, i) => shard.map(([name]) => [name, names[i]])));
    const index = JSON.stringify({ metadata: { total_size: bytesOf(tensors) }, weight_map }, null, 2) + "\n";
    await Deno.writeTextFile(`${directory}/${base}.safetensors.index.json`, index);
    hashes.set(`${base}.safetensors.index.json`, hashText(index));
  }
  return hashes;
}

/** Tensors go into a file, in order, until the next would make it too large. */
function planShards(tensors: TensorShapes, maxShardSize: number): TensorShapes[] {
  const shards: TensorShapes[number][][] = [[]];
  for (const tensor of tensors) {
    const shard = shards.at(-1)!;
    if (shard.length > 0 && bytesOf(shard) + bytesOf([tensor]) > maxShardSize) shards.push([tensor]);
    else shard.push(tensor);
  }
  return shards;
}

function bytesOf(tensors: TensorShapes): number {
  return tensors.reduce((sum, [, shape]) => sum + 4 * sizeOf(shape), 0);
}

function digits(count: number): string {
  return String(count).padStart(5, "0");
}
