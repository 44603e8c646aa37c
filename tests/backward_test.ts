import { assertEquals, assertThrows } from "@std/assert";
import {
  add,
  attention,
  backward,
  concat,
  detach,
  div,
  fill,
  type Gpu,
  layerNorm,
  matmul,
  mul,
  pow,
  randomNormals,
  record,
  reshape,
  scale,
  Scope,
  sub,
  sum,
  tensor,
  WeftError,
  zeros,
} from "../mod.ts";
import type { Tensor } from "../mod.ts";
import { expectClose, gpuTest } from "./_check_op.ts";

/** The gradient of each leaf of a loss that is computed in a scope of its own. */
async function gradients(gpu: Gpu, leaves: Tensor[], loss: () => Tensor): Promise<number[][]> {
  using _ = new Scope(gpu, { grad: true });
  backward(loss());
  const values: number[][] = [];
  for (const leaf of leaves) {
    values.push(leaf.grad ? [...await leaf.grad.read()] : []);
    leaf.zeroGrad();
  }
  return values;
}

const leaf = (gpu: Gpu, ...values: number[]) => tensor(gpu, values, [values.length], { requiresGrad: true });

gpuTest("x + x has gradient 2, and x · x has 2x", async (gpu) => {
  const x = leaf(gpu, 3, -1);
  assertEquals(await gradients(gpu, [x], () => sum(add(x, x))), [[2, 2]]);
  assertEquals(await gradients(gpu, [x], () => sum(mul(x, x))), [[6, -2]]);
  assertEquals(await gradients(gpu, [x], () => sum(sub(x, x))), [[0, 0]]);
});

gpuTest("gradients that meet inside the graph add up without changing each other", async (gpu) => {
  const x = leaf(gpu, 2);
  // h is used four times, once beside itself, and its gradients are at first one and the same tensor.
  const loss = () => {
    const h = scale(x, 3), both = add(h, h), again = add(both, h);
    return sum(add(mul(again, h), both)); // 3h · h + 2h, h = 3x: 27x² + 6x
  };
  assertEquals(await gradients(gpu, [x], loss), [[54 * 2 + 6]]);
});

gpuTest(
  "a gradient that several tensors share stays as it is when one of them receives another",
  async (gpu) => {
    const a = leaf(gpu, 2), b = leaf(gpu, 3);
    const loss = () => {
      // The sum's gradient is at first that of u, of v and of the square, all in one memory; then the square adds to u's.
      const u = scale(a, 2), v = scale(b, 3), square = mul(u, u);
      return sum(add(add(u, v), square));
    };
    assertEquals(await gradients(gpu, [a, b], loss), [[2 * (1 + 2 * 4)], [3]]);
  },
);

gpuTest("an operation may give two inputs that are one tensor the same gradient", async (gpu) => {
  const x = leaf(gpu, 3);
  const twice = (h: Tensor) =>
    record(detach(scale(h, 2)), [h, h], (dy) => {
      const shared = scale(dy, 1);
      return [shared, shared];
    });
  assertEquals(await gradients(gpu, [x], () => sum(twice(scale(x, 3)))), [[6]]);
});

gpuTest("an input has the same gradient whether or not the others require one", async (gpu) => {
  const operations: [(...x: Tensor[]) => Tensor, number[][]][] = [
    [(a, b) => add(a, b), [[4, 4], [4]]],
    [(a, b) => sub(a, b), [[4, 4], [4]]],
    [(a, b) => mul(a, b), [[4, 4], [4]]],
    [(a, b) => div(a, b), [[4, 4], [4]]],
    [(a, b) => matmul(a, b), [[5, 3], [3, 2]]],
    [(a, b) => matmul(a, b, { transposeA: true, transposeB: true }), [[3, 5], [2, 3]]],
    [(a, b, c) => concat([a, b, c]), [[2], [3], [1]]],
    [(x, weight, bias) => layerNorm(x, weight, bias), [[5, 3], [3], [3]]],
    [(q, k, v) => attention(q, k, v), [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]]],
  ];
  for (const [operation, shapes] of operations) {
    using _ = new Scope(gpu);
    const inputs = shapes.map((shape, k) => {
      const size = shape.reduce((m, n) => m * n, 1);
      return tensor(gpu, randomNormals(size, { seed: 1, stream: k }), shape, { requiresGrad: true });
    });
    const loss = () => sum(pow(operation(...inputs), 2));
    const all = await gradients(gpu, inputs, loss);
    for (const only of inputs) {
      for (const input of inputs) input.requiresGrad = input === only;
      const alone = await gradients(gpu, inputs, loss);
      assertEquals(alone, all.map((grad, k) => inputs[k] === only ? grad : []), operation.toString());
    }
  }
});

gpuTest("two leaves that receive one gradient do not share it", async (gpu) => {
  const a = leaf(gpu, 1, 2), b = leaf(gpu, 3, 4);
  {
    using _ = new Scope(gpu, { grad: true });
    backward(sum(add(a, b)));
  }
  {
    using _ = new Scope(gpu, { grad: true });
    backward(sum(mul(a, a))); // adds to the gradient of a alone
  }
  assertEquals([[...await a.grad!.read()], [...await b.grad!.read()]], [[3, 5], [1, 1]]);
  a.zeroGrad();
  b.zeroGrad();
});

gpuTest("a gradient that passes through views is not shared either", async (gpu) => {
  const x = leaf(gpu, 1, 2, 3, 4);
  const loss = () => {
    const a = reshape(x, [2, 2]), b = reshape(x, [4, 1]);
    return add(sum(mul(a, a)), add(sum(b), sum(reshape(a, [4]))));
  };
  assertEquals(await gradients(gpu, [x], loss), [[4, 6, 8, 10]]);
});

gpuTest("gradients add up over scopes until zeroGrad, times the scale", async (gpu) => {
  const x = leaf(gpu, 5);
  for (let micro = 0; micro < 4; micro++) {
    using _ = new Scope(gpu, { grad: true });
    backward(sum(mul(x, x)), { scale: 0.25 });
  }
  assertEquals([...await x.grad!.read()], [10]);
  x.zeroGrad();
  assertEquals(x.grad, undefined);
});

gpuTest("a leaf made inside the scope has its gradient there", async (gpu) => {
  using _ = new Scope(gpu, { grad: true });
  const x = leaf(gpu, 2, 3);
  backward(sum(pow(x, 3)));
  assertEquals([...await x.grad!.read()].map(Math.round), [12, 27]);
});

gpuTest("what requires no gradient gets none, and a leaf off the path neither", async (gpu) => {
  const x = leaf(gpu, 2), y = tensor(gpu, [7]), z = leaf(gpu, 1);
  assertEquals(await gradients(gpu, [x, y, z], () => sum(mul(x, y))), [[7], [], []]);
});

gpuTest("nested scopes without grad are not recorded", async (gpu) => {
  const x = leaf(gpu, 3);
  using _ = new Scope(gpu, { grad: true });
  let constant: Tensor;
  {
    using inner = new Scope(gpu);
    constant = inner.keep(mul(x, x));
  }
  backward(sum(mul(constant, x)));
  assertEquals([...await x.grad!.read()], [9]);
  x.zeroGrad();
});

gpuTest(
  "activations are given back during backward, but the loss and what is kept can be read",
  async (gpu) => {
    const x = leaf(gpu, 1, 2);
    using _ = new Scope(gpu, { grad: true });
    const hidden = mul(x, x), logits = scale(hidden, 2), loss = sum(logits);
    const before = gpu.memory.buffersInUse;
    backward(loss, { keep: [logits] });
    assertEquals(await loss.item(), 10);
    assertEquals([...await logits.read()], [2, 8]);
    assertThrows(() => hidden.storage, WeftError, "Cannot use mul output (2): its memory was given back");
    assertEquals(gpu.memory.buffersInUse < before + 1, true); // the gradient of x came, hidden and partial sums went
    x.zeroGrad();
  },
);

gpuTest("a tensor cannot be used after its scope", (gpu) => {
  let escaped: Tensor;
  {
    using _ = new Scope(gpu);
    escaped = fill(gpu, [3], 1);
  }
  assertThrows(
    () => add(escaped, escaped),
    WeftError,
    "Cannot use tensor (3): its memory was given back when its scope ended",
  );
  return Promise.resolve();
});

gpuTest("memory returns to the pool when a block throws", (gpu) => {
  const before = gpu.memory.buffersInUse;
  assertThrows(() => {
    using _ = new Scope(gpu, { grad: true });
    const x = zeros(gpu, [10], { requiresGrad: true });
    mul(x, x);
    matmul(x, x); // no matrix
  }, WeftError);
  assertEquals(gpu.memory.buffersInUse, before);
  assertEquals(Scope.current(gpu), undefined);
  return Promise.resolve();
});

gpuTest("backward says what it cannot start from", (gpu) => {
  const x = leaf(gpu, 1, 2);
  {
    using _ = new Scope(gpu, { grad: true });
    assertThrows(() => backward(mul(x, x)), WeftError, "the loss must be one number");
    assertThrows(
      () => backward(sum(tensor(gpu, [1]))),
      WeftError,
      "was not computed from tensors that require gradients",
    );
  }
  using _ = new Scope(gpu);
  assertThrows(() => backward(sum(x)), WeftError, "inside the innermost");
  return Promise.resolve();
});

gpuTest("scopes that record cannot be nested, where a gradient would be lost without a word", (gpu) => {
  using _ = new Scope(gpu, { grad: true });
  assertThrows(() => new Scope(gpu, { grad: true }), WeftError, "A scope with grad cannot be opened inside another");
  using inner = new Scope(gpu); // inference inside training is fine
  assertEquals(Scope.current(gpu), inner);
  return Promise.resolve();
});

gpuTest("a leaf that is filled inside the scope outlives backward", async (gpu) => {
  using _ = new Scope(gpu, { grad: true });
  const x = fill(gpu, [2], 3, { requiresGrad: true });
  backward(sum(mul(x, x)));
  backward(sum(x));
  assertEquals([...await x.grad!.read()], [7, 7]);
});

gpuTest("an operation may give one gradient to a leaf that is two of its inputs", async (gpu) => {
  const { copy, record } = await import("../mod.ts");
  const x = leaf(gpu, 1, 2);
  using _ = new Scope(gpu, { grad: true });
  const twice = record(scale(copy(x), 2), [x, x], (dy) => {
    const share = scale(dy, 1);
    return [share, share];
  });
  backward(sum(twice));
  assertEquals([...await x.grad!.read()], [2, 2]);
  x.zeroGrad();
});

gpuTest(
  "a gradient that an operation adds to in place is counted once, and one that it returns as it is twice",
  async (gpu) => {
    const x = tensor(gpu, [1, 2, 4], [3], { requiresGrad: true }), one = tensor(gpu, [1, 1, 1]);
    {
      using _ = new Scope(gpu, { grad: true });
      const y = scale(x, 1);
      backward(sum(add(y, add(y, one)))); // both additions pass on the same tensor
    }
    assertEquals([...await x.grad!.read()], [2, 2, 2]);
    x.zeroGrad();
    const gradient = async (terms: (y: Tensor) => Tensor[]) => {
      x.zeroGrad();
      using _ = new Scope(gpu, { grad: true });
      backward(sum(mul(terms(scale(x, 1)).reduce(add), tensor(gpu, [3, -1, 5]))));
      return await x.grad!.read();
    };
    const norm = (y: Tensor) => layerNorm(y, one);
    const alone = await gradient((y) => [norm(y)]);
    // With the stream past the norm, behind it and before it, and through two norms.
    const orders: [(y: Tensor) => Tensor[], number][] = [
      [(y) => [norm(y), y], 1],
      [(y) => [y, norm(y)], 1],
      [(y) => [y, norm(y), norm(y)], 2],
    ];
    for (const [terms, norms] of orders) {
      expectClose("sum", await gradient(terms), alone.map((v, i) => norms * v + [3, -1, 5][i]), 1e-6);
    }
  },
);
