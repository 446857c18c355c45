-- Users, pools, sign-ins and tokens. Secrets are 32 random bytes and stored as their SHA-256 only;
-- passwords are stored as argon2id.

-- A name is on the record for good: it never changes and is never given to somebody else, so users are
-- disabled and not deleted. Plain ASCII in lower case, so that no two names look alike.
create table users (
  name          text primary key check (name ~ '^[a-z0-9][a-z0-9._@-]{0,99}$'),
  kind          text not null check (kind in ('person', 'service')),
  roles         text[] not null default '{}' check (roles <@ array['viewer', 'operator', 'auditor', 'admin']),
  password_hash text check (password_hash is null or kind = 'person'),
  created_at    timestamptz not null default clock_timestamp(),
  disabled_at   timestamptz
);

create table pools (
  name       text primary key check (name ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
  created_at timestamptz not null default clock_timestamp()
);

create table pool_members (
  pool      text not null references pools (name),
  user_name text not null references users (name),
  added_at  timestamptz not null default clock_timestamp(),
  primary key (pool, user_name)
);
create index pool_members_by_user on pool_members (user_name);

create table sign_ins (
  id           uuid primary key,
  secret_hash  bytea not null unique check (length(secret_hash) = 32),
  user_name    text not null references users (name),
  address      text not null,
  user_agent   text not null,
  created_at   timestamptz not null default clock_timestamp(),
  last_seen_at timestamptz not null default clock_timestamp(),
  expires_at   timestamptz not null,
  ended_at     timestamptz
);
create index sign_ins_open on sign_ins (user_name) where ended_at is null;

-- One-time sign-in links.
create table sign_in_codes (
  code_hash  bytea primary key check (length(code_hash) = 32),
  user_name  text not null references users (name),
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  used_at    timestamptz
);

-- Tries of a password in the current window, by SHA-256 of the name that was typed: names that do not
-- exist count as well (else a lockout would tell which exist), and what people type there by mistake
-- is sometimes a password.
create table sign_in_tries (
  name_hash      bytea primary key check (length(name_hash) = 32),
  tries          int not null,
  window_ends_at timestamptz not null
);

create table tokens (
  id           uuid primary key,
  secret_hash  bytea not null unique check (length(secret_hash) = 32),
  user_name    text not null references users (name),
  name         text not null check (length(name) between 1 and 100),
  -- What the token may do at most. What its user has lost, it has lost too.
  roles        text[] not null check (roles <@ array['viewer', 'operator', 'auditor', 'admin']),
  created_at   timestamptz not null default clock_timestamp(),
  last_used_at timestamptz,
  expires_at   timestamptz not null,
  revoked_at   timestamptz
);
create unique index tokens_by_name on tokens (user_name, name) where revoked_at is null;
