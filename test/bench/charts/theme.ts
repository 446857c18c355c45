/** How all charts look: readable on a phone, where they are shrunk to its width, and on light and dark pages. */

/** Of the whole picture, in its own units; a phone shows it at about three quarters of that. */
const WIDTH = 480;
const PADDING = 12;
export const INNER_WIDTH = WIDTH - 2 * PADDING;
export const FONT_SIZE = 13;

/** Of what is not data: light, and what takes its place where the reader prefers dark. */
const INK = {
  card: ["#ffffff", "#0d1117"],
  text: ["#1f2328", "#e6edf3"],
  faint: ["#59636e", "#9198a1"],
  grid: ["#dde1e6", "#2a3038"],
} as const;

/** Of what is data: each stands out on white as on black. */
export const COLOURS = {
  blue: "#3b7dd8",
  orange: "#d9730d",
  green: "#2f9e63",
  purple: "#8f6ad1",
  red: "#d64545",
  teal: "#1798a3",
  pink: "#c65a97",
  brown: "#9a7048",
  olive: "#8a8f1e",
  grey: "#7d8590",
  slate: "#4a6fa5",
} as const;

const [card, text, faint, grid] = [INK.card[0], INK.text[0], INK.faint[0], INK.grid[0]];
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

/** Vega-Lite's `config` of all charts. */
export const CONFIG = {
  background: card,
  padding: PADDING,
  font: FONT,
  title: { color: text, subtitleColor: faint, fontSize: FONT_SIZE + 2, subtitleFontSize: FONT_SIZE, anchor: "start" },
  axis: {
    labelColor: text,
    titleColor: faint,
    gridColor: grid,
    domainColor: faint,
    tickColor: faint,
    labelFontSize: FONT_SIZE,
    titleFontSize: FONT_SIZE,
    titleFontWeight: "normal",
    labelLimit: 0,
  },
  legend: {
    labelColor: text,
    labelFontSize: FONT_SIZE,
    title: null,
    orient: "bottom",
    direction: "vertical",
    labelLimit: 0,
    symbolType: "square",
  },
  text: { color: text, fontSize: FONT_SIZE },
  view: { stroke: null },
} as const;

/** The same picture, which turns dark where the reader prefers that. Rules of a style sheet go before attributes. */
export function withDarkMode(svg: string): string {
  const rules = Object.values(INK).map(
    ([light, dark]) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`,
  );
  const style = `<style>@media (prefers-color-scheme:dark){${rules.join("")}}</style>`;
  return svg.replace(/^<svg[^>]*>/, (tag) => `${tag}${style}`);
}
