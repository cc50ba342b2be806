-- A stream restored from an older state uses sequences again that it has used already: a further round of the
-- same incarnation, with a number of its own (docs/decisions/0006).
ALTER TABLE stream_incarnations ADD COLUMN round integer NOT NULL DEFAULT 1;
ALTER TABLE stream_incarnations DROP CONSTRAINT stream_incarnations_stream_created_at_key;
ALTER TABLE stream_incarnations ADD UNIQUE (stream, created_at, round);
