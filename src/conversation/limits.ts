/**
 * Every bound of the product, unit in the name. Reaching one is a named outcome, never a silent drop.
 */

/** A question, counted as people count: graphemes (requirements R10). */
export const QUESTION_GRAPHEMES_MAX = 2_000
/** A question in UTF-8; a grapheme can be many code points. */
export const QUESTION_BYTES_MAX = 16 * 1024
/** Open questions of one session; beyond, `overload` before accepting and never after. */
export const OPEN_TURNS_MAX = 20
/** Entries one session's log may hold before it takes no more questions. */
export const SESSION_ENTRIES_MAX = 50_000
/** Sessions one visitor may own at once. */
export const SESSIONS_PER_VISITOR_MAX = 100

/** An answer in UTF-16 units; what is beyond ends the turn `interrupted`, reason `too-long`. */
export const ANSWER_CHARS_MAX = 200_000
/** One `answer-part` in UTF-16 units; more is split over several. */
export const ANSWER_PART_CHARS_MAX = 8_192
/** Text of an answer is gathered this long before it is appended. */
export const ANSWER_COALESCE_MS = 25
/** Attempts at one question, over all owners, before it ends `failed`. */
export const TURN_ATTEMPTS_MAX = 5
/** Question and answer pairs sent to the agent as history. */
export const HISTORY_ITEMS_MAX = 20
/** Bodies the turn runner may append in one write. */
export const WRITE_ENTRIES_MAX = 64
/** A running turn reads its log for a wish to stop at most this often. */
export const STOP_LOOK_MS = 100
/** Turns one process holds at a time only to give their questions other help. */
export const TELLING_MAX = 8
/** A process that stops waits this long for the turns it gives up to be given back; leases free the rest. */
export const HAND_OVER_MAX_MS = 2_000
/** One WebSocket message from an agent, in bytes: room for the longest answer in one piece. */
export const AGENT_FRAME_BYTES_MAX = 1024 * 1024
/** The whole body of an agent's answer over HTTP, in bytes: room for the longest answer letter by letter … */
export const AGENT_BODY_BYTES_MAX = 64 * 1024 * 1024
/** … and what is read of the body of its refusal. */
export const AGENT_ERROR_BYTES_MAX = 64 * 1024
/** After the end of an answer over HTTP this long for what belongs to it: how many tokens it took, or that it failed after all. */
export const AGENT_TAIL_MS = 1_000
/** Messages that an agent may have begun and not ended within one answer. */
export const AGENT_MESSAGES_OPEN_MAX = 100
/** Messages of an agent that may wait to be read before its socket is paused. */
export const AGENT_INBOX_MAX = 256
/** A connection to an agent that is not open by then has failed … */
export const AGENT_CONNECT_TIMEOUT_MS = 5_000
/** … and one that we close is cut when the agent has not closed it too by then. */
export const AGENT_CLOSE_TIMEOUT_MS = 2_000
/** Expired sessions deleted in one command. */
export const SWEEP_SESSIONS_MAX = 100

/** One WebSocket message from a browser, in bytes. */
export const FRAME_BYTES_MAX = 64 * 1024
/** Pieces that one WebSocket message may come in, and chunks that may wait to be put together. */
export const FRAME_FRAGMENTS_MAX = 128
export const FRAME_CHUNKS_MAX = 1_024
/** A draining server asks so many links a second to move, over this long at least, so that they do not all come to the others at once … */
export const DRAIN_LINKS_PER_SECOND = 500
export const DRAIN_WINDOW_MIN_MS = 1_000
/** … and waits so long after that for those that have not got through at once. */
export const DRAIN_MOVE_GRACE_MS = 5_000
/** Then it says goodbye to those that are left, at the same rate, but within this time … */
export const DRAIN_GOODBYES_MAX_MS = 3_000
/** … and ends, after so long without an answer, those that do not say it, too. */
export const DRAIN_GOODBYE_MS = 2_000
/** An event stream that comes while the server drains lasts at least so long. */
export const DRAIN_STREAM_MIN_MS = 1_000
/** WebSocket pings and pongs one link may send in a minute. */
export const CONTROL_FRAMES_PER_MINUTE_MAX = 120
/** Frames that are ready together share messages of about this many UTF-16 units, so that a slow line brings one every few seconds. */
export const MESSAGE_CHARS_SENT_MAX = 16 * 1024
/** Questions a link may have sent and not yet seen accepted. */
export const SENDS_IN_FLIGHT_MAX = 8
/** Entries in one read of the log, and so in one batch to a follower. */
export const READ_ENTRIES_MAX = 256
/** Items in a snapshot and on the page; earlier ones are behind a link. */
export const SNAPSHOT_ITEMS_MAX = 20
/** A browser must say hello within this time of opening its link. */
export const HELLO_TIMEOUT_MS = 5_000
/** A ping at least this often, both for the peer's sake and to find silent holes. */
export const PING_INTERVAL_MS = 15_000
/** Whether what was accepted is settled is looked for this soon, and then after twice as long each time, at most a ping's interval. */
export const SETTLED_LOOK_MS = 250
/** A link without any traffic for this long is dead. */
export const LINK_SILENCE_MAX_MS = 20_000
/** Delivery to a slow reader pauses above this many buffered bytes … */
export const SEND_BUFFER_PAUSE_BYTES = 256 * 1024
export const SEND_BUFFER_CHECK_MS = 250
/** … and one that makes no progress for this long is told to come back. */
export const SLOW_READER_MAX_MS = 30_000
/** Frames that do not parse before the link is closed for good. */
export const FRAME_STRIKES_MAX = 3
/** Frames one link may send in a minute, and how many of them at once: twice what a page may hold when it comes back. */
export const FRAMES_PER_MINUTE_MAX = 60
export const FRAMES_BURST_MAX = 40
/** Questions one session may ask in a minute. */
export const QUESTIONS_PER_MINUTE_MAX = 15
/** Live links: of one session, of one address, of the process. */
export const LINKS_PER_SESSION_MAX = 5
export const LINKS_PER_ADDRESS_MAX = 50
export const LINKS_MAX = 10_000
/** Sessions one address may create in a minute. */
export const SESSIONS_PER_MINUTE_MAX = 30
/** Reports of a browser that one address may send in a minute, the bytes of one, and how many it may hold. */
export const CSP_REPORTS_PER_MINUTE_MAX = 10
export const CSP_REPORT_BYTES_MAX = 8 * 1024
export const CSP_REPORTS_IN_ONE_MAX = 10
/** Addresses or sessions whose rates are remembered at once; beyond, the one seen longest ago starts afresh. */
export const ADMISSION_KEYS_MAX = 50_000
/** Requests that are under way when everything else has stopped have this long to be answered. */
export const LAST_REQUESTS_MS = 2_000
/** An HTTP request body, in bytes. */
export const REQUEST_BYTES_MAX = 64 * 1024
/** An HTTP request must have arrived whole, and its headers, by then; checked this often. */
export const REQUEST_TIMEOUT_MS = 15_000
export const HEADERS_TIMEOUT_MS = 10_000
export const CONNECTION_CHECK_INTERVAL_MS = 1_000
/** Nesting of a JSON body or frame. */
export const JSON_DEPTH_MAX = 16
/** Length of any untrusted string that reaches a log line. */
export const LOG_STRING_CHARS_MAX = 256

/** The browser's reconnect: full jitter between nothing and a doubling cap (requirements R1 `websocket`). */
export const RECONNECT_BASE_MS = 1_000
export const RECONNECT_CAP_MS = 30_000
/** A link must hold this long before the backoff starts over. */
export const LINK_STABLE_MS = 10_000
/** A link that is not open by then is given up and tried again. */
export const CONNECT_TIMEOUT_MS = 5_000
/** A question that is not accepted by then is sent again with the same id. */
export const ACCEPT_TIMEOUT_MS = 5_000
/** Questions a page holds that the server has not settled. */
export const UNSETTLED_QUESTIONS_MAX = 20
/** A page that sends a question holds it for so long; one that died leaves it to another page then. */
export const OUTBOX_LEASE_MS = 10_000
/** A question that waited longer on the device is not sent by itself any more. */
export const OUTBOX_EXPIRES_MS = 24 * 3_600_000
/** What no page can show any more is deleted from the device after so long; another visitor's, once it has expired. */
export const OUTBOX_KEPT_MAX_MS = 7 * 24 * 3_600_000
/** The device's storage answers within this time, or the page does without it. */
export const OUTBOX_PATIENCE_MS = 3_000

/** Markdown of one rendered block and of one answer, in UTF-16 units, and blocks of one answer; what is beyond is shown as plain text … */
export const ANSWER_BLOCK_CHARS_MAX = 20_000
export const ANSWER_MARKDOWN_CHARS_MAX = 50_000
export const ANSWER_BLOCKS_MAX = 1_000
/** … in blocks of about this length. */
export const ANSWER_PLAIN_BLOCK_CHARS = 4_000
/** The address of a link in an answer, in UTF-16 units; a longer one is shown as text. */
export const ANSWER_LINK_CHARS_MAX = 2_000
/** Links of one answer that are listed under it. */
export const ANSWER_LINKS_SHOWN_MAX = 50

/** The page without JavaScript waits this long for the answer. */
export const PAGE_WAIT_MAX_MS = 8_000
/** … and looks no more often than this. */
export const PAGE_WAIT_LOOK_MS = 100
/** A page says that its conversation is about to close, and offers to keep it open, from so long before. */
export const SESSION_ENDING_MS = 120_000
/** Answers kept rendered, in UTF-16 units of their text. */
export const ANSWER_CACHE_CHARS_MAX = 4_000_000
/** An SSE response ends by then, so that no proxy cuts it first. */
export const EVENT_STREAM_MAX_MS = 55_000
/** … and its connection is cut when the reader has not taken the end of it so long after. */
export const EVENT_STREAM_GOODBYE_MS = 5_000
/** What an SSE response holds ready beyond what the reader has taken. */
export const EVENT_STREAM_BYTES_BUFFERED = 64 * 1024
/** Messages one `GET messages` returns. */
export const MESSAGES_PAGE_MAX = 200

/** Commands the store gathers into one transaction (group commit). */
export const STORE_BATCH_MAX = 64
/** Commands that may wait for the store; beyond, `unavailable`. */
export const STORE_QUEUE_MAX = 10_000
/** A transaction that takes longer is a stalled disk: who waits is told `unavailable`, outcome unknown. */
export const STORE_STALL_MAX_MS = 5_000
/** Sessions with open turns that one partition of the store counts in one step (`tally`). */
export const TALLY_SESSIONS_MAX = 10_000

/** Processes that a store which they share tells of, and what one may say of itself, in UTF-16 units. */
export const PROCESSES_MAX = 200
export const PROCESS_ABOUT_CHARS_MAX = 2_000

/** Redis: a connection that is not made and greeted by then has failed; the next try follows after a jittered, doubling wait. */
export const REDIS_CONNECT_MAX_MS = 2_000
export const REDIS_RECONNECT_BASE_MS = 100
export const REDIS_RECONNECT_CAP_MS = 2_000
/** A server that has answered nothing for this long is not there: everything it was told is of unknown outcome. */
export const REDIS_REPLY_MAX_MS = 2_000
/** A connection without traffic is asked for a sign of life after this long. */
export const REDIS_SILENCE_MAX_MS = 5_000
/** Claims of one process that had a write of unknown outcome, and sessions that it has put into their visitor's list. */
export const REDIS_CLAIMS_REMEMBERED_MAX = 10_000
export const REDIS_SESSIONS_NAMED_MAX = 50_000
/** Redis with replicas: how often what is new is looked at whether it is settled, and how long one look waits for the replicas … */
export const REDIS_SETTLE_INTERVAL_MS = 200
export const REDIS_SETTLE_WAIT_MS = 500
/** … and how long a step waits to be settled for whoever has no device that could repeat it. */
export const REDIS_SETTLED_SOON_MS = 1_000

/** Guidance: pages of one folder, and one page's Markdown in UTF-16 units, which is what can be rendered. */
export const GUIDANCE_PAGES_MAX = 500
export const GUIDANCE_PAGE_CHARS_MAX = 50_000
/** Pages one search gives. */
export const GUIDANCE_HITS_MAX = 10
/** Pages named to somebody whom the agent cannot answer. */
export const FALLBACK_PAGES_MAX = 3
/** Different words of a question that are looked for. */
export const QUESTION_TERMS_MAX = 64

/** The service profile: its file in bytes, one text and one list of links in it … */
export const PROFILE_FILE_BYTES_MAX = 64 * 1024
export const PROFILE_TEXT_CHARS_MAX = 2_000
export const PROFILE_LINKS_MAX = 10
/** … and how often the file is looked at. */
export const PROFILE_LOOK_MS = 5_000

/** The agent simulator: one message, in bytes (a question with all of its history fits) … */
export const SIMULATOR_MESSAGE_BYTES_MAX = 16 * 1024 * 1024
/** … connections at once; turns counted one by one; steps of a script of faults; the body of a control request, in bytes … */
export const SIMULATOR_CONNECTIONS_MAX = 2_000
export const SIMULATOR_TURNS_MAX = 10_000
export const SIMULATOR_SCRIPT_STEPS_MAX = 100
export const SIMULATOR_BODY_BYTES_MAX = 64 * 1024
/** … what it reads of the service at one address, in UTF-16 units … */
export const SERVICE_BODY_CHARS_MAX = 2_000_000
/** … messages that are not of the form before a connection is closed; and how long closing may take. */
export const SIMULATOR_STRIKES_MAX = 3
export const SIMULATOR_CLOSE_MAX_MS = 1_000
