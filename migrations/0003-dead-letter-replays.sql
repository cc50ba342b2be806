-- What replaying a dead letter needs to know about it (docs/decisions/0005).
ALTER TABLE dead_letters
  -- Whether it is one element of the array that the message was; else it is the message as a whole.
  ADD COLUMN in_array boolean NOT NULL DEFAULT false,
  -- The machine that the refused reading names, where it names one.
  ADD COLUMN machine_id text,
  -- When a replay of it was stored; no other replay of it stores anything after that.
  ADD COLUMN stored_at timestamptz;

-- Of earlier dead letters the reason tells. Where it does not, "an element" is the safe answer: it keeps its
-- position, which no other reading of the message has.
UPDATE dead_letters SET in_array = true
WHERE position > 0 OR reason LIKE 'reading %' OR code = 'refused_by_database';

-- Retention removes the oldest.
CREATE INDEX dead_letters_recorded_at ON dead_letters (recorded_at);

-- Each attempt to bring a dead letter in after all.
CREATE TABLE dead_letter_replays (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  dead_letter_id bigint NOT NULL REFERENCES dead_letters ON DELETE CASCADE,
  requested_at timestamptz NOT NULL DEFAULT now(),
  requested_by text,
  -- What was sent instead of the dead letter's own payload; null: it was sent as it is.
  payload bytea,
  outcome text NOT NULL DEFAULT 'pending' CHECK (outcome IN ('pending', 'stored', 'refused', 'failed')),
  outcome_code text,
  outcome_reason text,
  settled_at timestamptz
);

CREATE INDEX dead_letter_replays_of ON dead_letter_replays (dead_letter_id, requested_at);
