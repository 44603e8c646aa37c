import { checkpointed } from "../engine/checkpointed.ts";
import type { Gpu } from "../engine/gpu.ts";
import { selfAttention } from "../engine/ops/attention.ts";
import { cast } from "../engine/ops/cast.ts";
import { linearCrossEntropy } from "../engine/ops/cross_entropy.ts";
import { dropout, type DropoutOptions } from "../engine/ops/dropout.ts";
import { embedding } from "../engine/ops/embedding.ts";
import { linear, type LinearOptions } from "../engine/ops/linear.ts";
import { layerNorm } from "../engine/ops/norm.ts";
import { reshape, slice } from "../engine/ops/layout.ts";
import { matmul } from "../engine/ops/matmul.ts";
import { randomNormals, RandomStream } from "../engine/random.ts";
import { formatShape, sizeOf } from "../engine/shape.ts";
import { empty, type Tensor, tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import { checkGptConfig, type GptConfig, gptParameterShapes } from "./gpt_config.ts";
import { KvCache } from "./kv_cache.ts";
import type { ForwardOptions, LanguageModel } from "./language_model.ts";

/**
 * GPT-2 (Radford et al. 2019): token and position embeddings, blocks of causal self-attention and a
 * two-layer perceptron, each behind a layer norm and added to the residual stream, a last layer norm, and a head
 * that is the token embedding transposed.
 *
 * Parameters have the names and the layout of Hugging Face's GPT-2: weights of linear layers are (in, out). They
 * start from N(0, 0.02), the projections into the residual stream from N(0, 0.02 / √(2 n_layer)), biases from 0 and
 * layer norms from 1.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { Scope } from "../engine/scope.ts";
 * import { tensor } from "../engine/tensor.ts";
 * import { Gpt } from "./gpt.ts";
 *
 * using gpu = await Gpu.open();
 * const model = new Gpt(gpu, { n_layer: 2, n_head: 2, n_embd: 32, block_size: 16, vocab_size: 65 }, { seed: 1 });
 * using _ = new Scope(gpu);
 * const logits = model.forward(tensor(gpu, new Int32Array([1, 2, 3]), [1, 3]));
 * console.log(logits.shape); // [1, 3, 65]
 * ```
 */
export class Gpt implements LanguageModel {
  /** Where it lives. */
  readonly gpu: Gpu;
  /** Shape and kind. */
  readonly config: GptConfig;
  /** Whether dropout is on. */
  training = true;
  /** Whether each block keeps its input alone and is computed a second time for its gradient: less memory, more work. */
  activationCheckpointing = false;
  /**
   * How weights and activations are stored while the model computes. With "f16" the matrices are cast in each forward pass;
   * the parameters themselves stay f32, and so do biases, norms' weights, logits and losses.
   */
  dtype: "f32" | "f16" = "f32";
  /** Where the masks of dropout come from; its `counter` belongs to a checkpoint. */
  random: RandomStream;
  #parameters: Map<string, Tensor>;

  /**
   * A model with fresh parameters, a function of the seed; without `initialize` they are whatever the memory holds.
   *
   * @throws {WeftError} when the configuration is not one of a GPT, or a parameter does not fit the adapter.
   */
  constructor(
    gpu: Gpu,
    config: GptConfig,
    options: { readonly seed?: number; readonly initialize?: boolean } = {},
  ) {
    checkGptConfig(config);
    this.gpu = gpu;
    this.config = config;
    const seed = options.seed ?? 1337;
    this.random = new RandomStream(seed);
    let stream = 0;
    this.#parameters = new Map([...gptParameterShapes(config)].map(([name, shape]) => {
      if (options.initialize === false) return [name, empty(gpu, shape, { requiresGrad: true, label: name })];
      const values = initialValues(name, sizeOf(shape), config.n_layer, seed, stream++);
      return [name, tensor(gpu, values, shape, { requiresGrad: true, label: name })];
    }));
  }

  /** Number of kinds of tokens. */
  get vocabSize(): number {
    return this.config.vocab_size;
  }

  /** Longest sequence. */
  get blockSize(): number {
    return this.config.block_size;
  }

  /** Its parameters by name, in a fixed order. */
  parameters(): ReadonlyMap<string, Tensor> {
    return this.#parameters;
  }

  /**
   * Logits of the next token at each position: ids (B, T) → (B, T, V). With a cache, ids continue the tokens that it holds,
   * or begin sequences in its `rows`; no gradients then.
   *
   * @throws {WeftError} when ids are not (B, T) with T from 1 to block_size.
   */
  forward(ids: Tensor, options: ForwardOptions = {}): Tensor {
    let x = this.#blocks(ids, options);
    if (options.places) x = this.#rowsOf(x, options.places);
    else if (options.lastOnly) x = slice(x, { axis: 1, start: -1 });
    const hidden = this.#norm(x, "ln_f");
    options.probe?.("hidden", hidden);
    const logits = matmul(hidden, this.#matrix("wte", options.cache?.matrices), { transposeB: true, dtype: "f32" });
    options.probe?.("logits", logits);
    return logits;
  }

  /**
   * Mean cross-entropy of the next tokens, in nats: ids and targets (B, T) → a scalar. The logits of all positions never
   * exist at one time.
   *
   * @throws {WeftError} when ids are not (B, T) with T from 1 to block_size, or the targets are of another shape.
   */
  loss(ids: Tensor, targets: Tensor): Tensor {
    return linearCrossEntropy(this.#norm(this.#blocks(ids), "ln_f"), this.#matrix("wte"), targets);
  }

  /** An empty cache for the keys and values of `rows` sequences. */
  newCache(rows: number): KvCache {
    const { n_layer: layers, n_head: heads, n_embd, block_size: tokens } = this.config, { dtype } = this;
    const cache = new KvCache(this.gpu, { rows, layers, heads, headDim: n_embd / heads, tokens, dtype });
    cache.arena.hold(() => {
      for (const [name, weight] of this.#parameters) {
        if (weight.shape.length !== 2 || name === "wpe.weight") continue;
        if (dtype === "f16") cache.matrices.set(name, cast(weight, dtype));
      }
    });
    return cache;
  }

  /** Rows of (B, T, C) by their numbers in B · T: places (n) → (n, 1, C). */
  #rowsOf(x: Tensor, places: Tensor): Tensor {
    const C = this.config.n_embd;
    return cast(embedding(reshape(cast(x, "f32"), [-1, C]), reshape(places, [-1, 1])), this.dtype);
  }

  /** The sum of the embeddings of tokens and positions: ids (B, T) → (B, T, C). */
  #embedded(ids: Tensor, { cache, rows }: ForwardOptions): Tensor {
    const [B, T] = ids.shape, wte = this.#weight("wte"), wpe = this.#weight("wpe");
    if (!cache || rows) return embedding(wte, ids, slice(wpe, { end: T }));
    return reshape(embedding(wte, reshape(ids, [B * T]), embedding(wpe, cache.places(T))), [B, T, -1]);
  }

  /** The residual stream after the last block: ids (B, T) → (B, T, C). */
  #blocks(ids: Tensor, options: ForwardOptions = {}): Tensor {
    const { probe, cache, rows } = options;
    const T = ids.shape[1];
    if (ids.shape.length !== 2 || T < 1 || T > this.blockSize) {
      throw new WeftError(
        `Cannot run the model on ids ${formatShape(ids.shape)}: they must be (B, T) with T from 1 to block_size, ` +
          `${this.blockSize}`,
      );
    }
    const embedded = this.#embedded(ids, options), mask = this.#mask();
    let x = cast(mask ? dropout(embedded, mask.p, mask.key) : embedded, this.dtype);
    probe?.("embedding", x);
    const held = options.cache?.matrices;
    for (let i = 0; i < this.config.n_layer; i++) {
      const name = `h.${i}`, masks = [this.#mask(), this.#mask(), this.#mask()];
      const attend = (qkv: Tensor): Tensor => {
        if (cache && !rows) return cache.attend(i, qkv);
        cache?.store(i, qkv, rows!);
        return selfAttention(qkv, this.config.n_head, { dropout: masks[0] });
      };
      const attention = (x: Tensor) => this.#attention(x, name, attend, masks[1], held);
      const perceptron = (x: Tensor) => this.#perceptron(x, name, masks[2], held);
      if (this.activationCheckpointing) x = checkpointed(x, (x) => perceptron(attention(x)));
      else {
        x = attention(x);
        probe?.(`${name}.attn`, x);
        x = perceptron(x);
      }
      probe?.(`${name}.mlp`, x);
    }
    if (cache && !rows) cache.advance(T);
    return x;
  }

  #attention(
    x: Tensor,
    name: string,
    attend: (qkv: Tensor) => Tensor,
    after?: DropoutOptions,
    held?: Held,
  ): Tensor {
    const qkv = this.#linear(this.#norm(x, `${name}.ln_1`), `${name}.attn.c_attn`, {}, held);
    return this.#linear(attend(qkv), `${name}.attn.c_proj`, { residual: x, dropout: after }, held);
  }

  #perceptron(x: Tensor, name: string, after?: DropoutOptions, held?: Held): Tensor {
    const form = this.config.activation === "gelu_erf" ? "erf" : "tanh";
    const hidden = this.#linear(this.#norm(x, `${name}.ln_2`), `${name}.mlp.c_fc`, { gelu: form }, held);
    return this.#linear(hidden, `${name}.mlp.c_proj`, { residual: x, dropout: after }, held);
  }

  #linear(x: Tensor, name: string, options: LinearOptions, held?: Held): Tensor {
    return linear(x, this.#matrix(name, held), { bias: this.#parameters.get(`${name}.bias`), ...options });
  }

  #norm(x: Tensor, name: string): Tensor {
    return layerNorm(x, this.#weight(name), this.#parameters.get(`${name}.bias`));
  }

  /** The next mask of dropout, if that is on. */
  #mask(): DropoutOptions | undefined {
    const p = this.training ? this.config.dropout ?? 0 : 0;
    return p > 0 ? { p, key: this.random.next() } : undefined;
  }

  #weight(name: string): Tensor {
    return this.#parameters.get(`${name}.weight`)!;
  }

  /** The weight of a linear layer as it is computed with. */
  #matrix(name: string, held?: Held): Tensor {
    return held?.get(`${name}.weight`) ?? cast(this.#weight(name), this.dtype);
  }
}

/** Matrices by the names of their weights. */
type Held = ReadonlyMap<string, Tensor>;

function initialValues(
  name: string,
  size: number,
  nLayer: number,
  seed: number,
  stream: number,
): Float32Array<ArrayBuffer> {
  if (name.endsWith(".bias")) return new Float32Array(size);
  if (name.includes("ln_")) return new Float32Array(size).fill(1);
  const std = name.endsWith("c_proj.weight") ? 0.02 / Math.sqrt(2 * nLayer) : 0.02;
  return randomNormals(size, { seed, stream, std });
}
