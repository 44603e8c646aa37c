/** The version of Weft, as in deno.json: results of measurements hold for it alone. */
export const version = "0.10.0";
