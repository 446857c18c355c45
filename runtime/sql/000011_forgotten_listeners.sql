-- An operator says that an agent will not come back: nothing is published to it any more. A worker that has it
-- makes it a listener again.
alter table listeners
  add column forgotten_at timestamptz,
  add column forgotten_by text,
  add column forgotten_reason text;

-- Who is published to: whose worker said so, not long ago, and whom nobody has said to forget.
create view listening as
select agent, topics, queue from listeners
where topics <> '{}' and seen_at > clock_timestamp() - interval '7 days' and forgotten_at is null;
