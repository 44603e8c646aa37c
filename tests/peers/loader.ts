// How fast batches come from shards on the disk, whose documents have 800 tokens on average.
//   deno run --no-lock -A tests/peers/loader.ts [MEGABYTES] [CACHE_MEGABYTES]
import process from "node:process";
import { Batches, randomU32, TokenShards } from "../../mod.ts";

const [megabytes, cacheMegabytes] = [Number(Deno.args[0] ?? 100), Number(Deno.args[1] ?? 256)];
const path = await Deno.makeTempFile();
const file = await Deno.open(path, { write: true });
const ids = new Uint16Array(500_000), vocabSize = 50_257, endOfText = vocabSize - 1;
for (let at = 0; at < megabytes; at++) {
  for (let i = 0; i < ids.length; i++) {
    const random = randomU32(1, at, i);
    ids[i] = random % 800 === 0 ? endOfText : random % endOfText;
  }
  await file.write(new Uint8Array(ids.buffer));
}
file.close();

for (const documents of [false, true]) {
  for (const order of ["random", "permutation"] as const) {
    for (const [batchSize, blockSize] of [[12, 64], [64, 256], [12, 1024]]) {
      using shards = TokenShards.open([path], { vocabSize, cacheBytes: cacheMegabytes * 1e6 });
      const options = { batchSize, blockSize, seed: 1, order };
      const batches = new Batches(shards, documents ? { ...options, endOfText } : options);
      const rates: number[] = [], cpuRates: number[] = [];
      let index = 0, counted = 0;
      for (let round = 0; round < 6; round++) { // the first one reads the file
        const began = performance.now(), cpu = process.cpuUsage(), first = index;
        while (performance.now() - began < 400) {
          for (let i = 0; i < 50; i++) batches.at(index++);
        }
        const microseconds = 1000 * (performance.now() - began), { user, system } = process.cpuUsage(cpu);
        const tokens = (index - first) * batchSize * blockSize;
        if (round === 0) continue;
        rates.push(tokens / microseconds);
        cpuRates.push(tokens / (user + system));
      }
      for (let i = 0; i < 50; i++) counted += batches.at(i).y.filter((target) => target >= 0).length;
      const median = (of: number[]) => of.sort((a, b) => a - b)[Math.floor(of.length / 2)].toFixed(1);
      console.log(
        `${order}${documents ? ", by documents" : ""}, ${batchSize} × ${blockSize}: ${
          median(rates)
        } million tokens/s, ` +
          `${median(cpuRates)} of CPU time; ${(100 * counted / 50 / batchSize / blockSize).toFixed(0)} % counted`,
      );
    }
  }
}
await Deno.remove(path);
