/** Makes the blocks and charts of docs/performance.md anew from the figures beside it: `npm run docs:performance`. */
import { storedFigures, writePage } from "./page/page.ts";

await writePage(await storedFigures());
