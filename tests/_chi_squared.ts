import { assertEquals } from "@std/assert";

/** The value that chi-squared of so many degrees of freedom passes with probability 1e-4 (Wilson & Hilferty 1931). */
function chiSquaredLimit(degrees: number): number {
  return degrees * (1 - 2 / (9 * degrees) + 3.719 * Math.sqrt(2 / (9 * degrees))) ** 3;
}

/** Fails where counts are not those of draws from the probabilities. */
export function expectDistribution(counts: ArrayLike<number>, expected: ArrayLike<number>): void {
  let statistic = 0, kinds = 0, draws = 0;
  for (let i = 0; i < counts.length; i++) draws += counts[i];
  for (let i = 0; i < counts.length; i++) {
    if (expected[i] === 0) {
      assertEquals(counts[i], 0, `token ${i} is impossible`);
      continue;
    }
    kinds++;
    statistic += (counts[i] - draws * expected[i]) ** 2 / (draws * expected[i]);
  }
  if (kinds > 1) {
    assertEquals(statistic < chiSquaredLimit(kinds - 1), true, `chi-squared ${statistic} of ${kinds} kinds`);
  }
}
