/** @returns the SVG of a Vega-Lite specification */
export function draw(specification: object): Promise<string>;
