/** The longest name of a topic, and of the key of a message. */
export const MAX_TOPIC_LENGTH = 200;

const WORD = "[A-Za-z0-9_=:@~-]+";
const TOPIC = new RegExp(`^${WORD}(\\.${WORD})*$`);
const PATTERN = new RegExp(`^(?:(?:${WORD}|\\*)\\.)*(?:${WORD}|\\*|>)$`);

/** True for what a message can be published on: words with dots between them. */
export function isTopic(topic: string): boolean {
  return topic.length <= MAX_TOPIC_LENGTH && TOPIC.test(topic);
}

/** True for a topic, or a pattern of topics as NATS has them: `*` for one word, `>` for one or more at the end. */
export function isTopicPattern(pattern: string): boolean {
  return pattern.length <= MAX_TOPIC_LENGTH && PATTERN.test(pattern);
}

/** True if a message on that topic is meant by the pattern. */
export function topicMatches(pattern: string, topic: string): boolean {
  const wanted = pattern.split(".");
  const words = topic.split(".");
  for (const [i, word] of wanted.entries()) {
    if (word === ">") return words.length > i;
    if (i >= words.length || (word !== "*" && word !== words[i])) return false;
  }
  return words.length === wanted.length;
}
