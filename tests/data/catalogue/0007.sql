INSERT INTO sites (id, url, url_digest, host, title, sort_title, search_text, note, options, schedule, keep, paused, status,
  failure_code, failure_message, failure_since, failure_count, created_at, updated_at, captured_at, changed_at, due_at,
  latest_number, picture_number, pinned, uploaded, revision, claimed_at, starts)
VALUES (1, 'https://example.com/', '0f115db062b7c0dd030b16878c99dea5c354b49dc37b38eb8846179c7783e9d7', 'example.com',
  'Ümlaut, 例え', 'ümlaut, 例え', 'ümlaut, 例え', 'a note', '{"device": "iphone-15"}', 'daily', '30 versions', false, 'ready',
  NULL, NULL, NULL, 0, '2026-11-01 12:00:00.000000+00:00', '2026-11-02 12:00:00.000000+00:00',
  '2026-11-03 12:00:00.000000+00:00', '2026-11-03 12:00:00.000000+00:00', '2026-11-04 12:00:00.000000+00:00',
  2, 2, false, false, 3, '2026-11-04 12:00:00.000000+00:00', 1);
INSERT INTO sites (id, url, url_digest, host, title, sort_title, search_text, note, options, schedule, keep, paused, status,
  failure_code, failure_message, failure_since, failure_count, created_at, updated_at, captured_at, changed_at, due_at,
  latest_number, picture_number, pinned, uploaded, revision, claimed_at, starts)
VALUES (2, 'https://example.org/', 'a2a5a7e4a6c4b1f1b5d9a1b3b9b1f6d5e9b2d2a7a54a4a3a2b1c0d9e8f7a6b5c', 'example.org',
  '', 'example.org', 'https://example.org/', '', '{}', 'weekly', 'all', true, 'failed',
  'page_timeout', 'the page did not load in time', '2026-11-20 12:00:00.000000+00:00', 4,
  '2026-11-02 12:00:00.000000+00:00', '2026-11-02 12:00:00.000000+00:00', NULL, NULL, NULL, NULL, NULL, false, false, 1, NULL, 0);
INSERT INTO site_tags (tag, site_id) VALUES ('news', 1), ('b', 1);
INSERT INTO versions (id, site_id, number, key, content_type, width, height, size, captured_at, seen_at, change,
  region_left, region_top, region_width, region_height, colour, uploaded, captured_by)
VALUES (1, 1, 1, 'sites/1.png', 'image/png', 1280, 720, 1000, '2026-11-01 12:00:00.000000+00:00',
  '2026-11-02 12:00:00.000000+00:00', 0, NULL, NULL, NULL, NULL, '#ffffff', false, 'engine'),
  (2, 1, 2, 'sites/2.png', 'image/png', 1280, 720, 1000, '2026-11-03 12:00:00.000000+00:00',
  '2026-11-03 12:00:00.000000+00:00', 12.5, 0, 10, 320, 200, '#ffeedd', false, 'snapsharp');
INSERT INTO removed_pictures (key, at) VALUES ('sites/1/aaaa.png', '2026-11-01 12:00:00.000000+00:00');
INSERT INTO admin_sessions (digest, who, client, started_at, seen_at)
VALUES ('4b68ab3847feda7d6c62c1fbcbeebfa35eab7351ed5e78f4ddadea5df64b8015', 'admin', '198.51.100.7',
  '2026-11-20 12:00:00.000000+00:00', '2026-11-20 13:00:00.000000+00:00');
INSERT INTO admin_links (digest, expires_at)
VALUES ('ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d', '2026-11-21 00:00:00.000000+00:00');
INSERT INTO audit (id, at, who, client, action, subject, detail)
VALUES (1, '2026-11-20 12:00:00.000000+00:00', 'admin', '198.51.100.7', 'logged in', '', '');
INSERT INTO site_events (id, body, at)
VALUES ('site-0123456789abcdef', '{"event": "site.captured"}', '2026-11-20 12:00:00.000000+00:00');
INSERT INTO removed_pictures (key, at, removing_at)
VALUES ('sites/1/bbbb.png', '2026-11-01 12:00:00.000000+00:00', '2026-11-01 13:00:00.000000+00:00');
