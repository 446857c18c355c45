/** A project with one payment that never answers and cannot be looked up: each run of it ends in doubt. */
import { bankProject } from "./bank-project.ts";

export default bankProject({
  ledger: "not written to",
  rules: new URL("./permit-all.cedar", import.meta.url),
  reconcile: false,
  hold: "before",
});
