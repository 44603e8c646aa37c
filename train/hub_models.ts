/** GPT-2's four sizes (Radford et al. 2019) by name, and the repositories of huggingface.co that hold them. */
export const hubModels: Readonly<Record<string, string>> = {
  "gpt2": "openai-community/gpt2",
  "gpt2-medium": "openai-community/gpt2-medium",
  "gpt2-large": "openai-community/gpt2-large",
  "gpt2-xl": "openai-community/gpt2-xl",
};
