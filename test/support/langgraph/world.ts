/** What the graphs of this folder reach the world through: plain async functions, as any LangGraph program has. */
export interface World {
  /** Looks something up. */
  look(id: string): Promise<string>;
  /** Puts something down; harmless to repeat. */
  put(id: string): Promise<string>;
  /** Pays; not to be repeated. */
  pay(id: string): Promise<string>;
}
