import { assertEquals } from "@std/assert";
import { redact } from "../train/cleaning/redact.ts";
import { runStage } from "../train/cleaning/stage.ts";
import { drawPrivate, Draws, drawText } from "./_generated_corpus.ts";

const redacted = (text: string) => {
  const result = runStage(redact, text);
  return "text" in result ? result.text : result.dropped;
};

const replaced: Record<string, string[]> = {
  EMAIL: [
    "jane@example.com",
    "Jane.O'Neil+news@mail.example.co.uk",
    "12345678@qq.com",
    "jürgen@müller.de",
    "a_b%c@x-y.org",
  ],
  IP: [
    "192.168.1.255",
    "8.8.8.8",
    "2001:db8::ff00:42:8329",
    "fe80::1",
    "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
    "::ffff:c0a8:5:80",
  ],
  PHONE: [
    "+1 (212) 555-0123",
    "(212) 555-0123",
    "212-555-0123",
    "1-800-555-0199",
    "212.555.0123",
    "+49 30 1234567",
    "+33612345678",
    "0049 30 1234567",
    "030 1234567",
    "(030) 123 45 67",
    "01 23 45 67 89",
  ],
  CARD: [
    "4111 1111 1111 1111",
    "4111111111111111",
    "5555-5555-5555-4444",
    "378282246310005",
    "3782 822463 10005",
    "6011111111111117",
  ],
  IBAN: [
    "DE89 3704 0044 0532 0130 00",
    "GB82WEST12345698765432",
    "FR14 2004 1010 0505 0001 3M02 606",
    "NO93 8601 1117 947",
  ],
  API_KEY: [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "github_pat_11ABCDEFG0123456789_abcdefghij",
    "xoxb-123456789012-abcdefABCDEF",
    "sk-proj-abcDEF0123456789abcDEF",
    "sk_live_0123456789abcdefABCD",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
  ],
  JWT: ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"],
  PRIVATE_KEY: ["-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAbc+/=\n-----END EC PRIVATE KEY-----"],
};

for (const [type, examples] of Object.entries(replaced)) {
  Deno.test(`redact replaces ${type}, wherever it stands`, () => {
    for (const example of examples) {
      for (
        const [before, after] of [["", ""], ["See ", " now."], ["(", ")"], ["«", "»."], ["x: ", ", and"], ["\n", "\n"]]
      ) {
        assertEquals(redacted(before + example + after), `${before}<${type}>${after}`, example);
      }
    }
  });
}

Deno.test("redact leaves alone what only looks private", () => {
  const harmless = [
    "an @ alone, @name, a@b, x@y.1, @import",
    "version 1.2.3, v1.2.3.4, version 10.0.0.1, 1.2.3.4.5 and 256.1.1.1 and 1.2.3.400",
    "at 12:34:56, std::string, a::b, Foo::Bar::baz, ::, 1:2:3:4:5:6:7, ab:cd:ef:01:23:45",
    "on 2021-03-15, 15.03.2021 12.30, 01/02/2003, 1914-1918, 1,234,567.89 and 1 234 567",
    "0.123456789, 3.14159265358979, 1700000000, id 0012345678901, ISBN 978-3-16-148410-0, ISBN 0-306-40615-2",
    "4111 1111 1111 1112, 4111 1111 1111 1116, 1234567890123456 and 99999999999999999999",
    "DE89370400440532013001 and XX89370400440532013000",
    "a sk-learn-like-name-of-some-length, task-force-in-a-hyphenated-word, AKIA, ghp_short, snake_case_name",
    "eyJ.eyJ, e.g. this, -----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
    "the years 2019 2020 2021 and 1 000 000 people",
    "f(x) = 2 + 2 and 10+20",
  ];
  for (const text of harmless) assertEquals(redacted(text), text);
});

Deno.test("redact counts by type, and takes only the types it is asked for", () => {
  const text = "jane@example.com, joe@example.org, 8.8.8.8";
  assertEquals(runStage(redact, text), { text: "<EMAIL>, <EMAIL>, <IP>", counts: { EMAIL: 2, IP: 1 } });
  assertEquals(runStage(redact, text, { types: ["IP"] }), {
    text: "jane@example.com, joe@example.org, <IP>",
    counts: { IP: 1 },
  });
  assertEquals(runStage(redact, "nothing"), { text: "nothing" });
});

Deno.test("redact takes a card number without its date, an IBAN without the word after it", () => {
  assertEquals(redacted("4111 1111 1111 1111 12/25"), "<CARD> 12/25");
  assertEquals(redacted("DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX"), "<IBAN> BIC COBADEFFXXX");
  assertEquals(redacted("Tel.: 5550123456, fax no. 5550"), "Tel.: <PHONE>, fax no. 5550");
});

Deno.test("redact finds what was planted: recall and precision of each type", () => {
  const draws = new Draws(7);
  for (const type of Object.keys(replaced)) {
    let found = 0, wrong = 0;
    const planted = 400;
    for (let i = 0; i < planted; i++) {
      const before = drawText(draws, 8), after = drawText(draws, 8);
      // numbers that are not private lie about
      const result = redacted(
        `${before} In ${1900 + draws.below(120)} ${drawPrivate(type, draws)} ${after} ${draws.digits(5)}`,
      );
      const marks: string[] = result.match(/<[A-Z_]+>/g) ?? [];
      if (marks.includes(`<${type}>`)) found++;
      wrong += marks.filter((mark) => mark !== `<${type}>`).length + Math.max(0, marks.length - 1);
    }
    console.log(`${type}: recall ${(found / planted).toFixed(3)}, precision ${(found / (found + wrong)).toFixed(3)}`);
    assertEquals(found >= 0.99 * planted, true, `${type}: ${found} of ${planted}`);
    assertEquals(wrong <= 0.01 * planted, true, `${type}: ${wrong} wrong`);
  }
});

Deno.test("redact takes time in proportion to the text, whatever it is", () => {
  for (
    const part of ["+1", "1-", "a@", "a.", "1111 ", ":a", "sk-", "-----BEGIN PRIVATE KEY-----", "eyJ.eyJ", "01 ", "(0"]
  ) {
    const start = performance.now();
    redacted(part.repeat(200_000 / part.length));
    assertEquals(performance.now() - start < 2000, true, `${part}: ${performance.now() - start} ms`);
  }
});
