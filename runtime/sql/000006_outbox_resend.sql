-- When a message that nobody has received is sent again: without it every worker would send every such
-- message at every sweep, and a hundred that nobody takes would keep all later ones waiting.
alter table outbox add column resend_at timestamptz not null default clock_timestamp() + interval '3 seconds';
drop index outbox_unreceived;
create index outbox_unreceived on outbox (resend_at) where received_at is null;
