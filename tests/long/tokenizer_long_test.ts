import { assertEquals } from "@std/assert";
import { cl100kTokenizer, gpt2Tokenizer } from "../_gpt_ranks.ts";
import { huggingFace, otherwiseInJavaScript } from "../_huggingface.ts";
import { randomText } from "../_random_text.ts";

for (const [name, tokenizer] of Object.entries({ gpt2: gpt2Tokenizer(), cl100k: cl100kTokenizer() })) {
  const other = huggingFace(tokenizer.toJSON());

  Deno.test(`a megabyte without a space gets the ids of ${name} that Hugging Face's library gives it`, () => {
    let text = "";
    for (let i = 0; text.length < 1 << 20; i++) text += randomText(i, 4000, { without: /[^a-z]/g });
    assertEquals(tokenizer.encode(text).join() === other.encode(text).ids.join(), true);
  });

  Deno.test(`10,000 longer random texts get the ids of ${name} that Hugging Face's library gives them`, () => {
    for (let i = 0; i < 10_000; i++) {
      const text = randomText(50_000 + i, 80, { halves: true, without: otherwiseInJavaScript });
      const [ours, theirs] = [tokenizer.encode(text).join(), other.encode(text).ids.join()];
      if (ours !== theirs) assertEquals(ours, theirs, JSON.stringify(text));
    }
  });
}
