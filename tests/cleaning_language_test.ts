import { assertEquals } from "@std/assert";
import { detectLanguage, knownLanguages, language } from "../train/cleaning/language.ts";
import { languageProfiles } from "../train/cleaning/language_profiles.ts";
import { runStage } from "../train/cleaning/stage.ts";

const samples: Record<string, string> = {
  en: "The old house at the end of our street was sold last week. Nobody knows who bought it, but the lights were on " +
    "yesterday evening, and somebody was playing the piano until midnight.",
  de:
    "Das alte Haus am Ende unserer Straße wurde letzte Woche verkauft. Niemand weiß, wer es gekauft hat, aber gestern " +
    "Abend brannte Licht, und jemand spielte bis Mitternacht Klavier.",
  fr:
    "La vieille maison au bout de notre rue a été vendue la semaine dernière. Personne ne sait qui l'a achetée, mais " +
    "hier soir il y avait de la lumière et quelqu'un a joué du piano jusqu'à minuit.",
  es:
    "La vieja casa al final de nuestra calle se vendió la semana pasada. Nadie sabe quién la compró, pero ayer por la " +
    "noche había luz y alguien estuvo tocando el piano hasta la medianoche.",
  it:
    "La vecchia casa in fondo alla nostra strada è stata venduta la settimana scorsa. Nessuno sa chi l'abbia comprata, " +
    "ma ieri sera c'era la luce accesa e qualcuno ha suonato il pianoforte fino a mezzanotte.",
  pt:
    "A casa velha no fim da nossa rua foi vendida na semana passada. Ninguém sabe quem a comprou, mas ontem à noite " +
    "havia luz e alguém tocou piano até à meia-noite.",
  nl: "Het oude huis aan het einde van onze straat is vorige week verkocht. Niemand weet wie het heeft gekocht, maar " +
    "gisteravond brandde er licht en speelde iemand tot middernacht piano.",
  sv:
    "Det gamla huset i slutet av vår gata såldes förra veckan. Ingen vet vem som köpte det, men i går kväll lyste det i " +
    "fönstren och någon spelade piano till midnatt.",
  pl: "Stary dom na końcu naszej ulicy został sprzedany w zeszłym tygodniu. Nikt nie wie, kto go kupił, ale wczoraj " +
    "wieczorem paliło się światło i ktoś grał na pianinie do północy.",
  tr:
    "Sokağımızın sonundaki eski ev geçen hafta satıldı. Kimin aldığını kimse bilmiyor ama dün akşam ışıklar yanıyordu " +
    "ve birisi gece yarısına kadar piyano çaldı.",
  cyrillic: "Старый дом в конце нашей улицы был продан на прошлой неделе. Никто не знает, кто его купил.",
  arabic: "بيع البيت القديم في آخر شارعنا الأسبوع الماضي ولا أحد يعرف من اشتراه.",
  greek: "Το παλιό σπίτι στο τέλος του δρόμου μας πουλήθηκε την περασμένη εβδομάδα.",
  hebrew: "הבית הישן בסוף הרחוב שלנו נמכר בשבוע שעבר ואיש אינו יודע מי קנה אותו.",
  devanagari: "हमारी गली के अंत में पुराना घर पिछले सप्ताह बेच दिया गया।",
  thai: "บ้านเก่าท้ายถนนของเราถูกขายไปเมื่อสัปดาห์ที่แล้ว",
  hangul: "우리 거리 끝에 있는 낡은 집이 지난주에 팔렸다. 누가 샀는지 아무도 모른다.",
  kana: "通りの端にある古い家は先週売れました。誰が買ったのかは誰も知りません。",
  cjk: "我们街道尽头的老房子上周卖掉了。没有人知道是谁买的。",
};

Deno.test("a few sentences are enough to tell languages and scripts", () => {
  for (const [name, text] of Object.entries(samples)) {
    const { language: found, score } = detectLanguage(text);
    assertEquals([found, score >= 0.5], [name, true], `${name}: ${found} ${score}`);
  }
});

Deno.test("language keeps what is allowed and tells what it drops", () => {
  const keep = (text: string, options = {}) => {
    const result = runStage(language, text, options);
    return "dropped" in result ? result.dropped : "kept";
  };
  assertEquals(keep(samples.en), "kept");
  assertEquals(keep(samples.de), "language de");
  assertEquals(keep(samples.de, { allow: ["en", "de"] }), "kept");
  assertEquals(keep(samples.cyrillic, { allow: ["cyrillic"] }), "kept");
  assertEquals(keep(samples.kana, { allow: ["cjk"] }), "language kana");
  for (const text of ["", "12345 ... 67", "qxv zzk wrt plk hgf", "Tb4 gf5 Xy9"]) {
    assertEquals(keep(text), "no language is certain");
  }
  assertEquals(detectLanguage("日本国憲法第九条は戦争放棄を規定している").language, "kana"); // more Han than Kana
  const unknown = [
    "Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae, aliam Aquitani.",
    "Az utcánk végén álló régi házat a múlt héten eladták. Senki sem tudja, ki vette meg.",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt.",
  ];
  for (const text of unknown) assertEquals(keep(text), "no language is certain");
  assertEquals(keep(samples.en, { min_score: 1 }), "no language is certain");
  assertEquals(knownLanguages.includes("hangul"), true);
});

Deno.test("a long text is judged by stretches of all of it", () => {
  const long = `${samples.en} `.repeat(100), other = `${samples.de} `.repeat(400);
  assertEquals(detectLanguage(long + other).language, "de");
});

Deno.test("every part of a profile can be found in a word", () => {
  for (const [name, { words, parts }] of Object.entries(languageProfiles)) {
    for (const part of parts.split(" ")) {
      assertEquals(/^(-\p{L}{2,5}|\p{L}{2,5}-|[^\0-\x7f])$/u.test(part), true, `${name}: ${part}`);
    }
    assertEquals(/^[\p{Ll}\p{M} ]+$/u.test(words), true, name);
  }
});
