/** Draws with Vega, which only the benchmarks have: to be imported once it is installed. */
import { parse, textMetrics, View } from "vega";
import { compile } from "vega-lite";

/** Of a letter, as a share of the font's size, in the mean. */
const LETTER = 0.59;
// A guess, whether a canvas is installed or not: the same figures give the same picture on every machine.
textMetrics.width = ({ fontSize = 11 }, text) => Math.round(String(text).length * fontSize * LETTER);

export async function draw(specification) {
  const view = new View(parse(compile(specification).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
