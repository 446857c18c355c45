-- What agents ask people. Rows follow the events; the events stay the truth.

create table questions (
  question_id   uuid primary key,
  run_id        uuid not null references runs (run_id),
  session_id    uuid not null,
  effect        text not null,
  agent         text not null,
  -- Its members may answer.
  pool          text not null,
  question      text not null,
  -- The JSON Schema that an answer must fit, as it was recorded with the question.
  answer_schema text not null,
  status        text not null default 'open' check (status in ('open', 'answered', 'void')),
  asked_at      timestamptz not null default clock_timestamp(),
  answered_at   timestamptz,
  answered_by   text,
  -- What they answered, as JSON.
  answer        text
);
create index questions_open on questions (asked_at) where status = 'open';
create index questions_by_run on questions (run_id);
