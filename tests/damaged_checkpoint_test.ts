import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AdamW,
  CharTokenizer,
  Gpt,
  loadCheckpoint,
  loadTrainerState,
  readTensors,
  restoreOptimizer,
  saveCheckpoint,
  WeftError,
} from "../mod.ts";
import { findCheckpoint } from "../train/checkpoint.ts";
import { gpuTest, testGpu } from "./_check_op.ts";

const tokenizer = CharTokenizer.fromText("abc");
const size = { n_layer: 1, n_head: 2, n_embd: 8, block_size: 4, vocab_size: 3 };

/** Runs `body` with a checkpoint of step 2 that keeps the one of step 1. */
async function withCheckpoints(body: (last: string, names: string[]) => Promise<void>): Promise<void> {
  const gpu = await testGpu(), root = await Deno.makeTempDir(), last = `${root}/last`;
  try {
    for (const step of [1, 2]) {
      const model = new Gpt(gpu, size, { seed: step }), state = { step, random_counter: 0, config: {} };
      const optimizer = new AdamW(model.parameters());
      await saveCheckpoint(last, { model, tokenizer, optimizer, state }, { keepPrevious: true, maxShardSize: 2500 });
    }
    const names = [...Deno.readDirSync(last)].map(({ name }) => name).sort();
    assertEquals(names.length, 13, names.join()); // four, the checksums, two files of weights and four of moments with indices
    await body(last, names);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

type Damage = Iterable<readonly [what: string, bytes: Uint8Array]>;

/** Damages each file in turn, in each way that `damages` gives, and puts it back. */
async function withEach(
  last: string,
  names: readonly string[],
  damages: (bytes: Uint8Array<ArrayBuffer>) => Damage,
  check: (name: string, what: string) => Promise<void>,
): Promise<void> {
  for (const name of names) {
    const path = `${last}/${name}`, whole = await Deno.readFile(path);
    for (const [what, bytes] of damages(whole)) {
      await Deno.writeFile(path, bytes);
      await check(name, `${name} ${what}`);
    }
    await Deno.writeFile(path, whole);
  }
}

/** Flips of single bits at these places, fractions of the length. */
function* flips(bytes: Uint8Array<ArrayBuffer>, places: readonly number[]): Damage {
  for (const [i, place] of places.entries()) {
    const flipped = bytes.slice(), at = Math.floor(place * bytes.length);
    flipped[at] ^= 1 << (i % 8);
    yield [`with bit ${i % 8} of byte ${at} flipped`, flipped];
  }
}

function* cuts(bytes: Uint8Array<ArrayBuffer>): Damage {
  for (let length = 0; length < bytes.length; length += 256) yield [`cut at ${length}`, bytes.subarray(0, length)];
}

/** Damage is an error that names the file, for whatever reads it, and the one before is found instead. */
async function expectFallback(last: string, name: string, what: string): Promise<void> {
  const told: string[] = [];
  assertEquals(await findCheckpoint(last, (problem) => told.push(problem)), `${last}.old`, what);
  assertEquals(told.length, 1, what);
  assert(told[0].startsWith(`${last}/${name} is damaged`), told[0]);
}

gpuTest("one flipped bit in any file is reported, and the checkpoint before is used", async () => {
  await withCheckpoints(async (last, names) => {
    const places = Array.from({ length: 8 }, (_, i) => i / 8);
    await withEach(last, names, (bytes) => flips(bytes, places), (name, what) => expectFallback(last, name, what));
    assertEquals(await findCheckpoint(last, () => assert(false)), last); // all are as they were
  });
});

gpuTest("a file that ends at any 256th byte, or is missing, is reported likewise", async () => {
  await withCheckpoints(async (last, names) => {
    await withEach(last, names, cuts, (name, what) => expectFallback(last, name, what));
    for (const name of names.filter((name) => name !== "checksums.txt")) {
      await Deno.rename(`${last}/${name}`, `${last}.away`);
      await expectFallback(last, name, `without ${name}`);
      await Deno.rename(`${last}.away`, `${last}/${name}`);
    }
  });
});

gpuTest("damage is an error for whatever reads the file, and where nothing is whole for all", async (gpu) => {
  await withCheckpoints(async (last, names) => {
    const model = new Gpt(gpu, size), optimizer = new AdamW(model.parameters());
    await withEach(last, names, (bytes) => flips(bytes, [0.5]), async (name, what) => {
      const readers = name.startsWith("optimizer")
        ? [() => restoreOptimizer(last, optimizer)]
        : name === "trainer_state.json"
        ? [() => loadTrainerState(last)]
        : name === "checksums.txt"
        ? [() => loadCheckpoint(gpu, last), () => loadTrainerState(last), () => restoreOptimizer(last, optimizer)]
        : [() => loadCheckpoint(gpu, last)];
      for (const read of readers) await assertRejects<Error>(read, WeftError, `${last}/${name} is damaged`, what);
    });
    for (const dir of [last, `${last}.old`]) await Deno.truncate(`${dir}/tokenizer.json`, 10);
    const error = await assertRejects(() => findCheckpoint(last, () => assert(false)), WeftError);
    assert(/last\/tokenizer.json is damaged.*; and of the one before: .*last.old\/tokenizer/.test(error.message));
  });
});

gpuTest("what is found is read whole", async (gpu) => {
  await withCheckpoints(async (last) => {
    const values = async (dir: string) => {
      const { model } = await loadCheckpoint(gpu, dir);
      return (await readTensors([...model.parameters().values()])).map(({ data }) => data);
    };
    const expected = async (seed: number) =>
      (await readTensors([...new Gpt(gpu, size, { seed }).parameters().values()])).map(({ data }) => data);
    assertEquals(await values(last), await expected(2));
    await Deno.truncate(`${last}/config.json`, 3);
    const found = await findCheckpoint(last, () => {});
    assertEquals(await values(found), await expected(1));
    assertEquals((await loadTrainerState(found)).step, 1);
  });
});
