/** What the bytes 0x80 to 0x9F are in Windows-1252; the five that it leaves open stay control characters. */
export const windows1252: string = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";
