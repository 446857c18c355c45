import { AIMessage, HumanMessage, RemoveMessage, type BaseMessage } from "@langchain/core/messages";
import {
  Annotation,
  END,
  MessageGraph,
  MessagesAnnotation,
  MessagesZodMeta,
  Overwrite,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { registry } from "@langchain/langgraph/zod";
import { z } from "zod";
import type { World } from "./world.ts";

/** A conversation that forgets its oldest messages, with a graph inside that speaks, too. */
export function conversation(world: World) {
  const answers = new StateGraph(MessagesAnnotation)
    .addNode("answers", async ({ messages }) => ({
      messages: [new AIMessage(await world.look(`reply ${String(messages.length)}`))],
    }))
    .addNode("adds", async () => ({ messages: [{ role: "user" as const, content: await world.pay("p") }] }))
    .addEdge(START, "answers")
    .addEdge("answers", "adds")
    .addEdge("adds", END)
    .compile();
  return new StateGraph(MessagesAnnotation)
    .addNode("answers", answers)
    .addNode("alone", async () => {
      const { messages } = await answers.invoke({ messages: [new HumanMessage("without an id")] });
      return { messages: messages.slice(-1) };
    })
    .addNode("forgets", ({ messages }) => ({
      messages: messages.slice(0, 2).map(({ id }) => new RemoveMessage({ id: id ?? "" })),
    }))
    .addEdge(START, "answers")
    .addEdge("answers", "alone")
    .addEdge("alone", "forgets")
    .addEdge("forgets", END)
    .compile();
}

/** A state in Zod, with LangGraph's registry for the reducers. */
export function inZod(world: World) {
  const State = z.object({
    messages: z.array(z.custom<BaseMessage>()).register(registry, MessagesZodMeta as never),
    steps: z
      .array(z.string())
      .default(() => [])
      .register(registry, { reducer: { fn: (a: string[], b: string[]) => a.concat(b) }, default: () => [] }),
    count: z.number().optional(),
  });
  return new StateGraph(State)
    .addNode("counts", async ({ count = 0 }) => ({ count: count + 1, steps: [await world.look("step")] }))
    .addNode("says", async () => ({ messages: [new AIMessage(await world.pay("p"))], steps: ["said"] }))
    .addEdge(START, "counts")
    .addEdge("counts", "says")
    .addEdge("says", END)
    .compile();
}

/** What goes in, what comes out, and what only two nodes know of. */
export function schemas(world: World) {
  const Input = Annotation.Root({ question: Annotation<string>() });
  const Output = Annotation.Root({ answer: Annotation<string>() });
  const Overall = Annotation.Root({ ...Input.spec, ...Output.spec, seen: Annotation<string[]>() });
  const Private = Annotation.Root({ hidden: Annotation<string>() });
  return new StateGraph({ stateSchema: Overall, input: Input, output: Output })
    .addNode("hides", async ({ question }) => ({ hidden: await world.look(question), seen: ["hides"] }) as never)
    .addNode("shows", async ({ hidden }: typeof Private.State) => ({ answer: await world.pay(hidden) }), {
      input: Private,
    })
    .addEdge(START, "hides")
    .addEdge("hides", "shows")
    .addEdge("shows", END)
    .compile();
}

/** The graph whose state is a list of messages. */
export function messageGraph(world: World) {
  const builder = new MessageGraph();
  return builder
    .addNode("looks", async (messages: BaseMessage[]) => [
      new AIMessage(await world.look(`m${String(messages.length)}`)),
    ])
    .addNode("pays", async () => new HumanMessage(await world.pay("p")))
    .addEdge(START, "looks")
    .addEdge("looks", "pays")
    .addEdge("pays", END)
    .compile();
}

/** A list that is appended to, and once replaced. */
export function overwrites(world: World) {
  const State = Annotation.Root({
    log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => ["default"] }),
  });
  return new StateGraph(State)
    .addNode("adds", async () => ({ log: [await world.look("l")] }))
    .addNode("replaces", async () => ({ log: new Overwrite([await world.pay("p")]) as unknown as string[] }))
    .addNode("adds-again", () => ({ log: ["again"] }))
    .addEdge(START, "adds")
    .addEdge("adds", "replaces")
    .addEdge("replaces", "adds-again")
    .addEdge("adds-again", END);
}
