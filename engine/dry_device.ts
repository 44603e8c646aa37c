/**
 * A device that does nothing, with the limits and features of a real one: buffers are objects without memory, kernels
 * are not compiled. On it a program can be rehearsed that would not fit, to see what it would take.
 */
export function dryDevice({ limits, features }: GPUDevice): GPUDevice {
  const nothing = () => ({});
  const device = {
    limits,
    features,
    lost: new Promise(() => {}),
    queue: { writeBuffer: nothing, submit: nothing, onSubmittedWorkDone: () => Promise.resolve() },
    createBuffer: () => ({ destroy: nothing }),
    createTexture: nothing,
    createShaderModule: nothing,
    createBindGroupLayout: nothing,
    createPipelineLayout: nothing,
    createComputePipeline: nothing,
    pushErrorScope: nothing,
    popErrorScope: () => Promise.resolve(null),
    addEventListener: nothing,
    destroy: nothing,
  };
  return device as unknown as GPUDevice;
}
