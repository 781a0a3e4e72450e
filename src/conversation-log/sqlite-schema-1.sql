-- A file as schema 1 wrote it, dumped: what a release that knows more must open.
BEGIN;
CREATE TABLE session (
  id INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL UNIQUE,
  visitor TEXT NOT NULL,
  log_id TEXT NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  ttl_ms REAL NOT NULL,
  questions INTEGER NOT NULL,
  fence INTEGER NOT NULL
  ) STRICT;
CREATE INDEX session_visitor ON session (visitor);
CREATE INDEX session_expiry ON session (expires_at);
CREATE TABLE entry (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  entry_id TEXT NOT NULL,
  at REAL NOT NULL,
  message_id TEXT,
  body TEXT NOT NULL
  ) STRICT;
CREATE UNIQUE INDEX entry_seq ON entry (session, seq);
CREATE UNIQUE INDEX entry_message ON entry (session, message_id) WHERE message_id IS NOT NULL;
CREATE TABLE device (
  session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
  device TEXT NOT NULL,
  last_number INTEGER NOT NULL,
  PRIMARY KEY (session, device)
  ) STRICT, WITHOUT ROWID;
CREATE TABLE turn (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
  turn_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  asked_at REAL NOT NULL,
  is_open INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  parts INTEGER NOT NULL,
  chars INTEGER NOT NULL,
  is_superseded INTEGER NOT NULL,
  is_stopping INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  owner TEXT,
  lease_until REAL
  ) STRICT;
CREATE UNIQUE INDEX turn_session ON turn (session, turn_id);
CREATE INDEX turn_open ON turn (id) WHERE is_open = 1;
CREATE INDEX turn_open_of_session ON turn (session, id) WHERE is_open = 1;
CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL) STRICT;
INSERT INTO session VALUES (1, '120c25e3df6e7a046d954b5f1ca84794', 'ea3bb0cffda0bbd8d7581d380c467237', '209bc70d917f38cb8f694099', 1795572589951, 4949172589968, 3153600000000, 7, 7);
INSERT INTO session VALUES (2, '925372760fa0b1e031cd26209289dc27', 'ea3bb0cffda0bbd8d7581d380c467237', 'f5b6a401de5ff77c293748e6', 1795572589952, 4949172589970, 3153600000000, 2, 1);
INSERT INTO entry VALUES (1, 1, 1, 'c184de63f6ac2469eb21fb0c', 1795572589954, '01a21077-6582-72ec-b712-d20db9e8265f', '{"kind":"message","messageId":"01a21077-6582-72ec-b712-d20db9e8265f","turnId":"13ccb7047bfd1ec9515baf23","device":"server","number":1,"text":"A question that ended complete","inReplyTo":null}');
INSERT INTO entry VALUES (2, 1, 2, '5e4bb385803d16769c377835', 1795572589956, NULL, '{"kind":"turn-started","turnId":"13ccb7047bfd1ec9515baf23","attempt":1,"fence":1}');
INSERT INTO entry VALUES (3, 1, 3, 'f4371a2a2d00cdcc02348be8', 1795572589956, NULL, '{"kind":"answer-part","turnId":"13ccb7047bfd1ec9515baf23","attempt":1,"index":0,"persona":null,"text":"Hello"}');
INSERT INTO entry VALUES (4, 1, 4, 'd2ae2584c989c2319455e0c6', 1795572589956, NULL, '{"kind":"turn-ended","turnId":"13ccb7047bfd1ec9515baf23","attempt":1,"outcome":"complete","reason":null,"parts":1,"chars":5,"sha256":""}');
INSERT INTO entry VALUES (5, 1, 5, 'dcbfbcc861498f381e933ebe', 1795572589958, '01a21077-6586-7d4d-b35d-b4fcdbabef4f', '{"kind":"message","messageId":"01a21077-6586-7d4d-b35d-b4fcdbabef4f","turnId":"375ff5bfbb72bc3349a06ee3","device":"server","number":2,"text":"A question that ended complete","inReplyTo":null}');
INSERT INTO entry VALUES (6, 1, 6, 'f88b22ef417d83bcd71948b8', 1795572589959, NULL, '{"kind":"turn-started","turnId":"375ff5bfbb72bc3349a06ee3","attempt":1,"fence":2}');
INSERT INTO entry VALUES (7, 1, 7, '727b72d69d04905245f58049', 1795572589959, NULL, '{"kind":"answer-part","turnId":"375ff5bfbb72bc3349a06ee3","attempt":1,"index":0,"persona":null,"text":"Hello"}');
INSERT INTO entry VALUES (8, 1, 8, '2f28e8fe8fa3abde56dbbffe', 1795572589959, NULL, '{"kind":"turn-ended","turnId":"375ff5bfbb72bc3349a06ee3","attempt":1,"outcome":"complete","reason":null,"parts":1,"chars":5,"sha256":""}');
INSERT INTO entry VALUES (9, 1, 9, 'd682be1db28e0dcd913f4780', 1795572589960, '01a21077-6588-7eae-ae8b-e8f7d95d1ea4', '{"kind":"message","messageId":"01a21077-6588-7eae-ae8b-e8f7d95d1ea4","turnId":"afb5a50922a9242a28a501b1","device":"server","number":3,"text":"A question that ended stopped","inReplyTo":null}');
INSERT INTO entry VALUES (10, 1, 10, '2c32b3f0d3d1d8ff376af490', 1795572589962, NULL, '{"kind":"turn-started","turnId":"afb5a50922a9242a28a501b1","attempt":1,"fence":3}');
INSERT INTO entry VALUES (11, 1, 11, 'fae9b74d83922a7fbf85b77a', 1795572589962, NULL, '{"kind":"answer-part","turnId":"afb5a50922a9242a28a501b1","attempt":1,"index":0,"persona":null,"text":"Hello"}');
INSERT INTO entry VALUES (12, 1, 12, '3541a1f396e49f353035f41e', 1795572589962, NULL, '{"kind":"turn-ended","turnId":"afb5a50922a9242a28a501b1","attempt":1,"outcome":"stopped","reason":null,"parts":1,"chars":5,"sha256":""}');
INSERT INTO entry VALUES (13, 1, 13, '5be7d543defcd62176b3a56f', 1795572589962, '01a21077-658a-7362-a3d0-54b9b37e2238', '{"kind":"message","messageId":"01a21077-658a-7362-a3d0-54b9b37e2238","turnId":"e3fc61e6cf23aab94f7bbe99","device":"server","number":4,"text":"A question that ended stopped","inReplyTo":null}');
INSERT INTO entry VALUES (14, 1, 14, '47bb4b8bd17f98f3bed8dbd3', 1795572589963, NULL, '{"kind":"turn-ended","turnId":"e3fc61e6cf23aab94f7bbe99","attempt":0,"outcome":"stopped","reason":null,"parts":0,"chars":0,"sha256":""}');
INSERT INTO entry VALUES (15, 1, 15, '5e103f56209ac03d217a635e', 1795572589964, '01a21077-658c-7030-b693-1f05655cce2a', '{"kind":"message","messageId":"01a21077-658c-7030-b693-1f05655cce2a","turnId":"91935d48ffd46163befaf6b5","device":"server","number":5,"text":"A question that ended failed","inReplyTo":null}');
INSERT INTO entry VALUES (16, 1, 16, '9b146aa537b1e6ae0661f82c', 1795572589965, NULL, '{"kind":"turn-started","turnId":"91935d48ffd46163befaf6b5","attempt":1,"fence":5}');
INSERT INTO entry VALUES (17, 1, 17, '308a0893d63e9e40be0941a2', 1795572589965, NULL, '{"kind":"answer-part","turnId":"91935d48ffd46163befaf6b5","attempt":1,"index":0,"persona":null,"text":"Hello"}');
INSERT INTO entry VALUES (18, 1, 18, '137a3d0bc8d943d74a6a2406', 1795572589965, NULL, '{"kind":"turn-ended","turnId":"91935d48ffd46163befaf6b5","attempt":1,"outcome":"failed","reason":null,"parts":1,"chars":5,"sha256":""}');
INSERT INTO entry VALUES (19, 1, 19, '5344c9b8bd0b015ce6e0947a', 1795572589966, '01a21077-658e-715b-a0fe-9bc53578caf3', '{"kind":"message","messageId":"01a21077-658e-715b-a0fe-9bc53578caf3","turnId":"c5b5c90b7396347adac73294","device":"server","number":6,"text":"A question that ended interrupted","inReplyTo":null}');
INSERT INTO entry VALUES (20, 1, 20, '9d0fe7a8bfea2d839e27d2aa', 1795572589967, NULL, '{"kind":"turn-started","turnId":"c5b5c90b7396347adac73294","attempt":1,"fence":6}');
INSERT INTO entry VALUES (21, 1, 21, '16ae6ce05a6230657181ffbd', 1795572589967, NULL, '{"kind":"answer-part","turnId":"c5b5c90b7396347adac73294","attempt":1,"index":0,"persona":null,"text":"Hello"}');
INSERT INTO entry VALUES (22, 1, 22, 'f76451ed1a71f76be44354a3', 1795572589967, NULL, '{"kind":"turn-ended","turnId":"c5b5c90b7396347adac73294","attempt":1,"outcome":"interrupted","reason":null,"parts":1,"chars":5,"sha256":""}');
INSERT INTO entry VALUES (23, 1, 23, '532d0ce44a8d393fe7f86a99', 1795572589968, '01a21077-6590-7970-b05d-241c7fb76817', '{"kind":"message","messageId":"01a21077-6590-7970-b05d-241c7fb76817","turnId":"8a01fca9919edc66b0b2cc04","device":"server","number":7,"text":"A question that ended expired","inReplyTo":null}');
INSERT INTO entry VALUES (24, 1, 24, 'f8522351b724e7df0d70b8a5', 1795572589969, NULL, '{"kind":"turn-ended","turnId":"8a01fca9919edc66b0b2cc04","attempt":0,"outcome":"expired","reason":null,"parts":0,"chars":0,"sha256":""}');
INSERT INTO entry VALUES (25, 2, 1, 'b3000c304add739e277a09da', 1795572589970, '01a21077-6592-71c8-89ac-f4edb640e655', '{"kind":"message","messageId":"01a21077-6592-71c8-89ac-f4edb640e655","turnId":"e634921b4a147ed6c166ccf5","device":"server","number":1,"text":"A question that waits","inReplyTo":null}');
INSERT INTO entry VALUES (26, 2, 2, 'e94f8e8bf5c339a1dbe8aed4', 1795572589970, '01a21077-6592-77ce-8402-359c87dec209', '{"kind":"message","messageId":"01a21077-6592-77ce-8402-359c87dec209","turnId":"6092b4e6f3d8387dbf0a4423","device":"server","number":2,"text":"Another one","inReplyTo":null}');
INSERT INTO entry VALUES (27, 2, 3, 'bfd9d4598890aa4486877446', 1795572589972, NULL, '{"kind":"turn-started","turnId":"e634921b4a147ed6c166ccf5","attempt":1,"fence":1}');
INSERT INTO entry VALUES (28, 2, 4, 'ef6ff828ecdc86a05097fbfc', 1795572589972, NULL, '{"kind":"answer-part","turnId":"e634921b4a147ed6c166ccf5","attempt":1,"index":0,"persona":null,"text":"I was saying"}');
INSERT INTO device VALUES (1, 'server', 7);
INSERT INTO device VALUES (2, 'server', 2);
INSERT INTO turn VALUES (1, 1, '13ccb7047bfd1ec9515baf23', '01a21077-6582-72ec-b712-d20db9e8265f', 1795572589954, 0, 0, 0, 0, 0, 0, 1, NULL, NULL);
INSERT INTO turn VALUES (2, 1, '375ff5bfbb72bc3349a06ee3', '01a21077-6586-7d4d-b35d-b4fcdbabef4f', 1795572589958, 0, 0, 0, 0, 0, 0, 2, NULL, NULL);
INSERT INTO turn VALUES (3, 1, 'afb5a50922a9242a28a501b1', '01a21077-6588-7eae-ae8b-e8f7d95d1ea4', 1795572589960, 0, 0, 0, 0, 0, 0, 3, NULL, NULL);
INSERT INTO turn VALUES (4, 1, 'e3fc61e6cf23aab94f7bbe99', '01a21077-658a-7362-a3d0-54b9b37e2238', 1795572589962, 0, 0, 0, 0, 0, 0, 4, NULL, NULL);
INSERT INTO turn VALUES (5, 1, '91935d48ffd46163befaf6b5', '01a21077-658c-7030-b693-1f05655cce2a', 1795572589964, 0, 0, 0, 0, 0, 0, 5, NULL, NULL);
INSERT INTO turn VALUES (6, 1, 'c5b5c90b7396347adac73294', '01a21077-658e-715b-a0fe-9bc53578caf3', 1795572589966, 0, 0, 0, 0, 0, 0, 6, NULL, NULL);
INSERT INTO turn VALUES (7, 1, '8a01fca9919edc66b0b2cc04', '01a21077-6590-7970-b05d-241c7fb76817', 1795572589968, 0, 0, 0, 0, 0, 0, 7, NULL, NULL);
INSERT INTO turn VALUES (8, 2, 'e634921b4a147ed6c166ccf5', '01a21077-6592-71c8-89ac-f4edb640e655', 1795572589970, 1, 1, 1, 12, 0, 0, 1, 'owner', 60306.456612);
INSERT INTO turn VALUES (9, 2, '6092b4e6f3d8387dbf0a4423', '01a21077-6592-77ce-8402-359c87dec209', 1795572589970, 1, 0, 0, 0, 0, 0, 0, NULL, NULL);
INSERT INTO probe VALUES (1, 1);
PRAGMA application_id = 1195599942;
PRAGMA user_version = 1;
COMMIT;
