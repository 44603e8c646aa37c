/**
 * Weft: train, fine-tune and serve a GPT on any GPU from TypeScript, with hand-written WGSL shaders under a small
 * autograd.
 *
 * @example Train a small GPT on a text and write some more of it
 * ```ts
 * import { AdamW, backward, Batches, CharTokenizer, crossEntropy, generate, Gpt, Gpu, Scope, tensor } from "./mod.ts";
 *
 * const text = "the quick brown fox jumps over the lazy dog. ".repeat(20);
 * const tokenizer = CharTokenizer.fromText(text);
 * using gpu = await Gpu.open();
 * const size = { n_layer: 2, n_head: 2, n_embd: 32, block_size: 16, vocab_size: tokenizer.vocabSize };
 * const model = new Gpt(gpu, size, { seed: 1337 });
 * const optimizer = new AdamW(model.parameters());
 * const batches = new Batches(tokenizer.encode(text), { batchSize: 8, blockSize: 16, seed: 1337 });
 * for (let step = 0; step < 20; step++) {
 *   using _ = new Scope(gpu, { grad: true }); // activations die here
 *   const { x, y } = batches.at(step);
 *   backward(crossEntropy(model.forward(tensor(gpu, x, [8, 16])), tensor(gpu, y, [8, 16])));
 *   optimizer.step({ lr: 1e-2, clip: 1 });
 * }
 * let written = "";
 * for await (const id of generate(model, tokenizer.encode("the "), { maxNewTokens: 40 })) {
 *   written += tokenizer.decode([id]);
 * }
 * console.log(written);
 * ```
 *
 * @module
 */

// The engine: a GPU, tensors on it, and what it takes to write an operation of one's own.
export { Gpu, type GpuOptions, type StorageOwner } from "./engine/gpu.ts";
export { BufferPool, type PoolStats, Storage, type StorageForm, type TexelForm } from "./engine/buffer_pool.ts";
export { type BufferRange, type Dispatch, type KernelTime, Recorder } from "./engine/recorder.ts";
export {
  type Constants,
  defineShader,
  type Kernel,
  KernelCache,
  type Params,
  type Shader,
  shaderNames,
} from "./engine/kernel.ts";
export { type Launch, run } from "./engine/run.ts";
export type { DType, HostData, HostTensor } from "./engine/host_tensor.ts";
export {
  type BackwardFunction,
  empty,
  readTensors,
  type TapeNode,
  Tensor,
  tensor,
  type TensorOptions,
  zeros,
} from "./engine/tensor.ts";
export { record, recording, Scope, type ScopeOptions } from "./engine/scope.ts";
export { backward, type BackwardOptions } from "./engine/backward.ts";
export { checkpointed } from "./engine/checkpointed.ts";
export {
  type Choice,
  Choices,
  type ForcedVariants,
  loadVariants,
  type Question,
  type Trial,
} from "./engine/choices.ts";
export { rowVariants } from "./engine/row_lanes.ts";
export { tune } from "./engine/tune.ts";
export { version } from "./engine/version.ts";
export { type NormalOptions, pcg4d, randomNormals, RandomStream, randomU32, randomUniform } from "./engine/random.ts";
export {
  encodeSafetensors,
  parseSafetensors,
  readSafetensorsFile,
  type SafetensorsContents,
  writeSafetensorsFile,
} from "./model/safetensors.ts";
export { WeftError } from "./engine/weft_error.ts";

// Operations.
export {
  attention,
  type AttentionOptions,
  type AttentionVariant,
  attentionVariants,
  selfAttention,
} from "./engine/ops/attention.ts";
export { add, div, mul, sub } from "./engine/ops/binary.ts";
export { cast } from "./engine/ops/cast.ts";
export { copy, copyInto, detach, fill } from "./engine/ops/copy.ts";
export {
  crossEntropy,
  type CrossEntropyOptions,
  linearCrossEntropy,
  type LinearCrossEntropyOptions,
} from "./engine/ops/cross_entropy.ts";
export { dropout, type DropoutOptions, type RandomKey } from "./engine/ops/dropout.ts";
export { embedding } from "./engine/ops/embedding.ts";
export { gather } from "./engine/ops/gather.ts";
export { gelu, type GeluForm } from "./engine/ops/gelu.ts";
export { concat, expand, permute, reshape, slice, type SliceOptions, transpose } from "./engine/ops/layout.ts";
export { linear, type LinearOptions } from "./engine/ops/linear.ts";
export { matmul, type MatmulOptions } from "./engine/ops/matmul.ts";
export { type ProductVariant, productVariants } from "./engine/ops/product.ts";
export { layerNorm, rmsNorm } from "./engine/ops/norm.ts";
export { max, mean, type ReduceOptions, sum } from "./engine/ops/reduce.ts";
export { logSoftmax, softmax } from "./engine/ops/softmax.ts";
export { exp, log, pow, relu, scale, sigmoid, silu, sqrt, tanh } from "./engine/ops/unary.ts";

// Tokenizers.
export type { AddedToken, BpeDefinition, RanksOptions } from "./model/bpe_definition.ts";
export { BpeTokenizer, type EncodeOptions } from "./model/bpe_tokenizer.ts";
export { StreamingDecoder } from "./model/streaming_decoder.ts";
export { type Tokenizer, tokenizerFromJSON } from "./model/tokenizer.ts";
export { type TokenizerJson, UnsupportedTokenizerError } from "./model/tokenizer_json.ts";
export { type WordPattern, type WordPatternName, wordPatterns, type WordScanner } from "./model/word_pattern.ts";
export { type BpeTrainerOptions, type BpeTrainerProgress, trainBpe } from "./train/bpe_trainer.ts";
export { readTextPieces } from "./train/text_pieces.ts";
export { loadTokenizer, saveTokenizer } from "./train/tokenizer_file.ts";
export { wholeWords } from "./train/whole_words.ts";

// Models.
export { Bigram, type BigramConfig } from "./model/bigram.ts";
export { CharTokenizer } from "./model/char_tokenizer.ts";
export type { ExportFiles, FileContents } from "./model/export_files.ts";
export { exportGguf } from "./model/export_gguf.ts";
export { exportHuggingFace } from "./model/export_hugging_face.ts";
export { exportNanoGpt, type NanoGptOptions } from "./model/export_nanogpt.ts";
export { exportOnnx, type OnnxOptions } from "./model/export_onnx.ts";
export type { StoredType } from "./model/export_tensor.ts";
export { type BeamHypothesis, beamSearch, type BeamSearchOptions } from "./model/beam_search.ts";
export { Chat, type ChatOptions, type ChatTemplate } from "./model/chat.ts";
export { type ContrastiveOptions, contrastiveSearch } from "./model/contrastive_search.ts";
export {
  type ContextRule,
  Decoder,
  type DecodeRequest,
  type DecoderOptions,
  type DrawnToken,
} from "./model/decoder.ts";
export { generate, generateBatch, type GenerateOptions, sample } from "./model/generate.ts";
export {
  type GeneratedText,
  generateText,
  generateTexts,
  type TextOptions,
  type TextPiece,
  type TextRequest,
  tokenLogProbs,
} from "./model/generate_text.ts";
export { KvCache, type KvCacheSize } from "./model/kv_cache.ts";
export { pick, probabilities, type SamplingOptions, type TokensSoFar } from "./model/sampling.ts";
export { generateSpeculatively, judge, type SpeculativeOptions } from "./model/speculative.ts";
export { StopStrings } from "./model/stop_strings.ts";
export { type EndOptions, type FinishReason, TextStream } from "./model/text_stream.ts";
export { Arena } from "./engine/arena.ts";
export type { StoragePart } from "./engine/gpu.ts";
export { Gpt } from "./model/gpt.ts";
export { type GptConfig, gptParameterShapes } from "./model/gpt_config.ts";
export type { ForwardOptions, LanguageModel } from "./model/language_model.ts";
export { fillTensors, loadWeights } from "./model/load_weights.ts";
export {
  gptConfigFromJson,
  type ModelConfigJson,
  modelConfigJson,
  modelFromConfigJson,
  type ModelOverrides,
  setParameters,
} from "./model/model_config.ts";
export { SafetensorsFile } from "./model/safetensors_file.ts";
export type { TensorPlace } from "./model/safetensors_format.ts";
export { WeightFiles } from "./model/weight_files.ts";

// Data.
export { cleanCorpus, type CleanCorpusOptions } from "./train/cleaning/clean_corpus.ts";
export type { Document, DocumentSource } from "./train/cleaning/document.ts";
export { parsePipeline, type Stage } from "./train/cleaning/pipeline.ts";
export { cleaningReport, type ReportOptions } from "./train/cleaning/report.ts";
export type { Example, StageStatistics } from "./train/cleaning/statistics.ts";
export { corpora, type Corpus, type CorpusFile } from "./train/corpora.ts";
export { downloadFile, type DownloadOptions, type DownloadProgress } from "./train/download.ts";
export { prepareData, type PrepareOptions, type PrepareProgress } from "./train/prepare_data.ts";
export { type DataMeta, type DataPart, openPreparedData, type PreparedData } from "./train/prepared_data.ts";
export { type ShardOptions, type ShardState, ShardWriter, type WrittenShard } from "./train/shard_writer.ts";
export { GrowingFile, WorkFolder } from "./train/work_folder.ts";
export { type OpenShardsOptions, TokenShards, type TokenSource, type TokenType } from "./train/token_shards.ts";

// Training.
export { AdamW, type AdamWOptions, firstLossScale, type StepOptions } from "./train/adamw.ts";
export { Batches, type BatchesOptions, splitTokens } from "./train/batches.ts";
export {
  type CheckpointParts,
  findCheckpoint,
  loadCheckpoint,
  type LoadOptions,
  loadTrainerState,
  restoreOptimizer,
  saveCheckpoint,
  type SaveOptions,
  type TrainerState,
} from "./train/checkpoint.ts";
export { CheckpointWriter } from "./train/checkpoint_writer.ts";
export { DirectoryLock } from "./train/directory_lock.ts";
export { downloadModel, type HubFile, type HubListing, hubModels, type HubOptions } from "./train/hub_models.ts";
export { type BatchSource, evaluate } from "./train/evaluate.ts";
export { LossLog } from "./train/loss_log.ts";
export { type MemoryPlan, planStep, type StepPlan } from "./train/plan.ts";
export { learningRateAt, type ScheduleOptions } from "./train/schedule.ts";
export { readTextFile } from "./train/text_file.ts";
export {
  type EvaluationReport,
  type StepReport,
  Trainer,
  type TrainerEvents,
  type TrainerOptions,
} from "./train/trainer.ts";
