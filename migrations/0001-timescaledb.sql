-- no transaction
-- The extension. A statement of its own: the server loads a library for it.
CREATE EXTENSION IF NOT EXISTS timescaledb;
