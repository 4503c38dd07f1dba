CREATE TABLE audit (
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    CONSTRAINT pk_audit PRIMARY KEY (sequence)
)
STRICT;

CREATE INDEX ix_audit_subject ON audit (subject);

CREATE TABLE cases (
    case_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    listing_key TEXT NOT NULL,
    listing_id TEXT NOT NULL,
    observed_at INTEGER,
    seller_id TEXT NOT NULL,
    brand TEXT,
    score REAL,
    rank REAL NOT NULL,
    model_version TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    state TEXT NOT NULL,
    enqueued_at INTEGER NOT NULL,
    holder TEXT,
    token INTEGER NOT NULL,
    lease_expires_at INTEGER,
    value REAL,
    expected_value TEXT,
    minutes REAL,
    due_at INTEGER,
    score_rank REAL DEFAULT 0 NOT NULL,
    value_rank REAL DEFAULT 0 NOT NULL,
    sampling_probability REAL,
    lane TEXT DEFAULT 'ranked' NOT NULL,
    random_order REAL,
    exemplar INTEGER,
    relisting_of INTEGER,
    category TEXT,
    erased_at INTEGER,
    version INTEGER DEFAULT '1' NOT NULL,
    content TEXT,
    brand_read TEXT,
    seen_at INTEGER,
    drawn_at INTEGER,
    assigned_to TEXT,
    snoozed_until INTEGER,
    script TEXT,
    queue_id INTEGER,
    successor INTEGER,
    CONSTRAINT ck_cases_state CHECK (state IN ('open', 'decided', 'escalated', 'superseded')),
    CONSTRAINT ck_cases_score CHECK (score BETWEEN 0 AND 1),
    CONSTRAINT uq_cases_listing_key UNIQUE (listing_key)
)
STRICT;

CREATE INDEX ix_cases_holder ON cases (holder);

CREATE INDEX ix_cases_in_order ON cases (state, rank, case_id, score_rank, enqueued_at, due_at, exemplar, snoozed_until);

CREATE INDEX ix_cases_assigned_to_state_rank ON cases (assigned_to, state, rank) WHERE assigned_to IS NOT NULL;

CREATE INDEX ix_cases_lease_expires_at ON cases (lease_expires_at) WHERE holder IS NOT NULL;

CREATE INDEX ix_cases_listing_id ON cases (listing_id);

CREATE UNIQUE INDEX ix_cases_pending ON cases (listing_id) WHERE state IN ('open', 'escalated');

CREATE INDEX ix_cases_seller_id_rank_case_id ON cases (seller_id, rank, case_id);

CREATE INDEX ix_cases_state_brand_rank_case_id ON cases (state, brand, rank, case_id);

CREATE INDEX ix_cases_state_brand_read_case_id ON cases (state, brand_read, case_id);

CREATE INDEX ix_cases_state_category_rank_case_id ON cases (state, category, rank, case_id);

CREATE INDEX ix_cases_state_drawn_at_case_id ON cases (state, drawn_at, case_id) WHERE drawn_at IS NOT NULL;

CREATE INDEX ix_cases_queued ON cases (state, queue_id, rank, case_id, exemplar, snoozed_until, due_at);

CREATE INDEX ix_cases_state_due_at_minutes ON cases (state, due_at, minutes);

CREATE INDEX ix_cases_state_enqueued_at_case_id ON cases (state, enqueued_at, case_id);

CREATE INDEX ix_cases_state_lane_random_order ON cases (state, lane, random_order);

CREATE INDEX ix_cases_state_score_rank_case_id ON cases (state, score_rank, case_id);

CREATE INDEX ix_cases_state_seller_id_rank_case_id ON cases (state, seller_id, rank, case_id);

CREATE INDEX ix_cases_state_value_rank_case_id ON cases (state, value_rank, case_id);

CREATE INDEX ix_cases_waiting ON cases (exemplar, state, rank, case_id);

CREATE TABLE deadlines (
    deadline_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL,
    stage TEXT NOT NULL,
    profile TEXT NOT NULL,
    state TEXT NOT NULL,
    since INTEGER,
    due_at INTEGER,
    latest_at INTEGER,
    is_provisional INTEGER NOT NULL,
    marked_at INTEGER,
    paused_at INTEGER,
    longer_by INTEGER NOT NULL,
    is_extended INTEGER NOT NULL,
    CONSTRAINT uq_deadlines_subject_stage UNIQUE (subject, stage)
)
STRICT;

CREATE INDEX ix_deadlines_stage_since ON deadlines (stage, since);

CREATE INDEX ix_deadlines_state_due_at ON deadlines (state, due_at);

CREATE TABLE referrals (
    referral_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    reference TEXT NOT NULL,
    network INTEGER NOT NULL,
    members_digest TEXT NOT NULL,
    recipient TEXT NOT NULL,
    brand TEXT,
    purpose TEXT NOT NULL,
    built_by TEXT NOT NULL,
    built_at INTEGER NOT NULL,
    content_digest TEXT NOT NULL,
    follows INTEGER,
    n_members INTEGER NOT NULL,
    n_confirmed INTEGER NOT NULL,
    value_low REAL,
    value REAL,
    value_high REAL,
    currency TEXT,
    solvability REAL NOT NULL,
    effort REAL NOT NULL,
    signs TEXT NOT NULL,
    tells_sellers INTEGER NOT NULL,
    received_by TEXT,
    received_at INTEGER,
    CONSTRAINT fk_referrals_follows FOREIGN KEY(follows) REFERENCES referrals (referral_id),
    CONSTRAINT uq_referrals_reference UNIQUE (reference)
)
STRICT;

CREATE INDEX ix_referrals_members_digest ON referrals (members_digest);

CREATE TABLE enforcement_policies (
    digest TEXT NOT NULL,
    policy TEXT NOT NULL,
    first_used_at INTEGER NOT NULL,
    CONSTRAINT pk_enforcement_policies PRIMARY KEY (digest)
)
WITHOUT ROWID,
STRICT;

CREATE TABLE erasures (
    erasure_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    pseudonym TEXT NOT NULL,
    erased_by TEXT NOT NULL,
    erased_at INTEGER NOT NULL,
    why TEXT NOT NULL,
    cases INTEGER NOT NULL,
    swept_at INTEGER
)
STRICT;

CREATE INDEX ix_erasures_pseudonym ON erasures (pseudonym);

CREATE TABLE notifiers (
    notifier_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    address TEXT,
    pseudonym TEXT NOT NULL,
    "key" TEXT,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT ck_notifiers_kind CHECK (kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')),
    CONSTRAINT uq_notifiers_address UNIQUE (address),
    CONSTRAINT uq_notifiers_pseudonym UNIQUE (pseudonym)
)
STRICT;

CREATE TABLE outbox (
    message_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "key" TEXT NOT NULL,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    subject TEXT NOT NULL,
    pseudonym TEXT,
    body TEXT NOT NULL,
    put_at INTEGER NOT NULL,
    state TEXT DEFAULT 'waiting' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    next_try_at INTEGER NOT NULL,
    holder TEXT,
    lease_expires_at INTEGER,
    last_error TEXT,
    settled_at INTEGER,
    dropped_by TEXT,
    dropped_at INTEGER,
    why_dropped TEXT,
    CONSTRAINT ck_outbox_state CHECK (state IN ('waiting', 'delivered', 'dead')),
    CONSTRAINT uq_outbox_key UNIQUE ("key")
)
STRICT;

CREATE INDEX ix_outbox_kind_settled_at ON outbox (kind, settled_at);

CREATE INDEX ix_outbox_pseudonym ON outbox (pseudonym);

CREATE INDEX ix_outbox_state_next_try_at_message_id ON outbox (state, next_try_at, message_id);

CREATE INDEX ix_outbox_subject_message_id ON outbox (subject, message_id);

CREATE TABLE platform_answers (
    answer_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "key" TEXT NOT NULL,
    status TEXT NOT NULL,
    said_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    told_by TEXT NOT NULL,
    why TEXT,
    CONSTRAINT ck_platform_answers_status CHECK (status IN ('accepted', 'done', 'refused', 'failed'))
)
STRICT;

CREATE INDEX ix_platform_answers_key ON platform_answers ("key");

CREATE TABLE rankings (
    ranking_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    "order" TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    policy TEXT NOT NULL,
    usual TEXT NOT NULL,
    CONSTRAINT ck_rankings_order CHECK ("order" IN ('score', 'value', 'fifo'))
)
STRICT;

CREATE TABLE seeds (
    seed_id INTEGER NOT NULL,
    seed TEXT NOT NULL,
    drawn_at INTEGER NOT NULL,
    CONSTRAINT pk_seeds PRIMARY KEY (seed_id)
)
STRICT;

CREATE TABLE seller_keys (
    seller_id TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    "key" TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT pk_seller_keys PRIMARY KEY (seller_id),
    CONSTRAINT uq_seller_keys_pseudonym UNIQUE (pseudonym)
)
WITHOUT ROWID,
STRICT;

CREATE TABLE review_queues (
    queue_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    removed_at INTEGER
)
STRICT;

CREATE TABLE seller_list_entries (
    entry_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    brand TEXT,
    brand_read TEXT,
    alias_of INTEGER,
    origin TEXT NOT NULL,
    encrypted TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    until INTEGER,
    removed_by TEXT,
    removed_at INTEGER,
    why_removed TEXT,
    CONSTRAINT ck_seller_list_entries_kind CHECK (kind IN ('authorised', 'denied', 'watched')),
    CONSTRAINT ck_seller_list_entries_origin CHECK (origin IN ('person', 'program', 'brand file'))
)
STRICT;

CREATE INDEX ix_seller_list_entries_alias_of ON seller_list_entries (alias_of);

CREATE INDEX ix_seller_list_entries_kind ON seller_list_entries (kind) WHERE removed_at IS NULL;

CREATE INDEX ix_seller_list_entries_pseudonym_kind ON seller_list_entries (pseudonym, kind) WHERE removed_at IS NULL;

CREATE TABLE tries (
    try_id INTEGER NOT NULL,
    address TEXT NOT NULL,
    name_hash TEXT NOT NULL,
    at INTEGER NOT NULL,
    CONSTRAINT pk_tries PRIMARY KEY (try_id)
)
STRICT;

CREATE INDEX ix_tries_address_at ON tries (address, at);

CREATE INDEX ix_tries_at ON tries (at);

CREATE TABLE user_sellers (
    user_name TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    since INTEGER NOT NULL,
    CONSTRAINT pk_user_sellers PRIMARY KEY (user_name, seller_id)
)
STRICT;

CREATE TABLE users (
    user_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (user_id),
    CONSTRAINT ck_users_role CHECK (role IN ('brand', 'viewer', 'reviewer', 'lead', 'admin')),
    CONSTRAINT uq_users_name UNIQUE (name)
)
STRICT;

CREATE TABLE automatic_draws (
    case_id INTEGER NOT NULL,
    brand TEXT NOT NULL,
    model_version TEXT NOT NULL,
    score REAL NOT NULL,
    sampling_probability REAL NOT NULL,
    drawn_at INTEGER NOT NULL,
    CONSTRAINT pk_automatic_draws PRIMARY KEY (case_id),
    CONSTRAINT fk_automatic_draws_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
)
STRICT;

CREATE INDEX ix_automatic_draws_drawn_at_case_id ON automatic_draws (drawn_at, case_id);

CREATE TABLE bands (
    band INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    CONSTRAINT pk_bands PRIMARY KEY (band, case_id),
    CONSTRAINT fk_bands_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
)
WITHOUT ROWID,
STRICT;

CREATE TABLE case_comments (
    comment_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL,
    pseudonym TEXT NOT NULL,
    author TEXT NOT NULL,
    written_at INTEGER NOT NULL,
    encrypted TEXT NOT NULL,
    CONSTRAINT fk_case_comments_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
)
STRICT;

CREATE INDEX ix_case_comments_case_id ON case_comments (case_id);

CREATE INDEX ix_case_comments_pseudonym ON case_comments (pseudonym);

CREATE TABLE case_texts (
    case_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    CONSTRAINT pk_case_texts PRIMARY KEY (case_id),
    CONSTRAINT fk_case_texts_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
)
STRICT;

CREATE TABLE translations (
    case_id INTEGER NOT NULL,
    digest TEXT NOT NULL,
    text TEXT NOT NULL,
    language TEXT,
    made_at INTEGER NOT NULL,
    CONSTRAINT pk_translations PRIMARY KEY (case_id),
    CONSTRAINT fk_translations_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
)
STRICT;

CREATE INDEX ix_translations_digest ON translations (digest);

CREATE TABLE pictures (
    case_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    digest TEXT,
    found_at TEXT,
    kind TEXT,
    width INTEGER,
    height INTEGER,
    n_bytes INTEGER,
    fetched_at INTEGER,
    why TEXT,
    group_id INTEGER,
    CONSTRAINT pk_pictures PRIMARY KEY (case_id, position),
    CONSTRAINT ck_pictures_state CHECK (state IN ('waiting', 'stored', 'failed', 'left')),
    CONSTRAINT fk_pictures_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
)
WITHOUT ROWID,
STRICT;

CREATE INDEX ix_pictures_digest ON pictures (digest);

CREATE INDEX ix_pictures_group_id_case_id ON pictures (group_id, case_id);

CREATE INDEX ix_pictures_state_due_at ON pictures (state, due_at);

CREATE INDEX ix_pictures_ungrouped ON pictures (digest) WHERE state = 'stored' AND group_id IS NULL;

CREATE TABLE picture_groups (
    group_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    hash TEXT NOT NULL,
    made_at INTEGER NOT NULL
)
STRICT;

CREATE TABLE reference_pictures (
    reference_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL,
    brand TEXT NOT NULL,
    source TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    removed_by TEXT,
    removed_at INTEGER,
    group_id INTEGER,
    CONSTRAINT ck_reference_pictures_kind CHECK (kind IN ('counterfeit', 'genuine'))
)
STRICT;

CREATE INDEX ix_reference_pictures_digest ON reference_pictures (digest);

CREATE INDEX ix_reference_pictures_group_id ON reference_pictures (group_id);

CREATE INDEX ix_reference_pictures_ungrouped ON reference_pictures (digest) WHERE removed_at IS NULL AND group_id IS NULL;

CREATE TABLE deadline_events (
    sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    deadline_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    "by" TEXT NOT NULL,
    payload TEXT NOT NULL,
    CONSTRAINT fk_deadline_events_deadline_id FOREIGN KEY(deadline_id) REFERENCES deadlines (deadline_id)
)
STRICT;

CREATE INDEX ix_deadline_events_deadline_id ON deadline_events (deadline_id);

CREATE TABLE referral_outcomes (
    outcome_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    referral_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    amount REAL,
    why TEXT,
    noted_by TEXT NOT NULL,
    noted_at INTEGER NOT NULL,
    currency TEXT,
    CONSTRAINT ck_referral_outcomes_kind CHECK (kind IN ('opened', 'arrests', 'seized', 'dropped')),
    CONSTRAINT fk_referral_outcomes_referral_id FOREIGN KEY(referral_id) REFERENCES referrals (referral_id)
)
STRICT;

CREATE INDEX ix_referral_outcomes_referral_id ON referral_outcomes (referral_id);

CREATE TABLE decisions (
    decision_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL,
    listing_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    ground TEXT NOT NULL,
    note TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    token INTEGER NOT NULL,
    "key" TEXT,
    sampling_probability REAL,
    lane TEXT DEFAULT 'ranked' NOT NULL,
    origin TEXT DEFAULT 'review' NOT NULL,
    group_key TEXT,
    spread_from INTEGER,
    CONSTRAINT ck_decisions_verdict CHECK (verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')),
    CONSTRAINT fk_decisions_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT uq_decisions_key UNIQUE ("key")
)
STRICT;

CREATE INDEX ix_decisions_case_id ON decisions (case_id);

CREATE INDEX ix_decisions_decided_at_reviewer ON decisions (decided_at, reviewer);

CREATE INDEX ix_decisions_group_key ON decisions (group_key);

CREATE INDEX ix_decisions_listing_id ON decisions (listing_id);

CREATE INDEX ix_decisions_reviewer_decided_at ON decisions (reviewer, decided_at);

CREATE INDEX ix_decisions_reviewer_decision_id ON decisions (reviewer, decision_id);

CREATE TABLE disclosures (
    disclosure_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    referral_id INTEGER NOT NULL,
    pseudonym TEXT NOT NULL,
    name TEXT NOT NULL,
    is_confirmed INTEGER NOT NULL,
    disclosed_at INTEGER NOT NULL,
    CONSTRAINT fk_disclosures_referral_id FOREIGN KEY(referral_id) REFERENCES referrals (referral_id),
    CONSTRAINT uq_disclosures_referral_id_pseudonym UNIQUE (referral_id, pseudonym)
)
STRICT;

CREATE INDEX ix_disclosures_pseudonym ON disclosures (pseudonym);

CREATE TABLE control_cases (
    control_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL,
    truth TEXT NOT NULL,
    source TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    removed_at INTEGER,
    CONSTRAINT ck_control_cases_truth CHECK (truth IN ('counterfeit', 'genuine')),
    CONSTRAINT fk_control_cases_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
)
STRICT;

CREATE INDEX ix_control_cases_case_id ON control_cases (case_id);

CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT pk_identities PRIMARY KEY (issuer, subject),
    CONSTRAINT fk_identities_user_id FOREIGN KEY(user_id) REFERENCES users (user_id)
)
STRICT;

CREATE INDEX ix_identities_user_id ON identities (user_id);

CREATE TABLE legal_holds (
    hold_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    pseudonym TEXT NOT NULL,
    case_id INTEGER,
    encrypted TEXT NOT NULL,
    placed_by TEXT NOT NULL,
    placed_at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    released_by TEXT,
    released_at INTEGER,
    CONSTRAINT fk_legal_holds_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
)
STRICT;

CREATE INDEX ix_legal_holds_pseudonym ON legal_holds (pseudonym);

CREATE TABLE notices (
    notice_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    reference TEXT NOT NULL,
    notifier_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    brand TEXT,
    encrypted TEXT NOT NULL,
    explanation TEXT NOT NULL,
    "key" TEXT,
    content_digest TEXT NOT NULL,
    tier TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    is_suspended INTEGER DEFAULT 0 NOT NULL,
    settled_at INTEGER,
    CONSTRAINT ck_notices_kind CHECK (kind IN ('counterfeit', 'complaint')),
    CONSTRAINT fk_notices_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id),
    CONSTRAINT uq_notices_notifier_id_key UNIQUE (notifier_id, "key"),
    CONSTRAINT uq_notices_reference UNIQUE (reference)
)
STRICT;

CREATE INDEX ix_notices_notifier_id ON notices (notifier_id);

CREATE INDEX ix_notices_notifier_id_content_digest ON notices (notifier_id, content_digest);

CREATE INDEX ix_notices_tier_received_at ON notices (tier, received_at);

CREATE INDEX ix_notices_waiting ON notices (received_at) WHERE settled_at IS NULL;

CREATE TABLE notifier_appointments (
    appointment_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    notifier_id INTEGER NOT NULL,
    kind TEXT,
    made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    until INTEGER,
    ground TEXT NOT NULL,
    CONSTRAINT ck_notifier_appointments_kind CHECK (kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')),
    CONSTRAINT fk_notifier_appointments_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id)
)
STRICT;

CREATE INDEX ix_notifier_appointments_notifier_id ON notifier_appointments (notifier_id);

CREATE TABLE notifier_steps (
    step_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    notifier_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    taken_by TEXT NOT NULL,
    taken_at INTEGER NOT NULL,
    until INTEGER,
    why TEXT NOT NULL,
    CONSTRAINT ck_notifier_steps_kind CHECK (kind IN ('warn', 'suspend', 'lift')),
    CONSTRAINT fk_notifier_steps_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id)
)
STRICT;

CREATE INDEX ix_notifier_steps_notifier_id ON notifier_steps (notifier_id);

CREATE TABLE promises (
    promise_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    brand TEXT NOT NULL,
    event TEXT NOT NULL,
    cause TEXT NOT NULL,
    actor TEXT NOT NULL,
    why TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    model_version TEXT,
    threshold REAL,
    promised REAL,
    bound REAL,
    reviews INTEGER,
    errors INTEGER,
    since INTEGER,
    CONSTRAINT ck_promises_cause CHECK (cause IN ('data', 'alarm', 'reversals', 'model', 'person')),
    CONSTRAINT ck_promises_event CHECK (event IN ('given', 'held', 'withdrawn', 'allowed')),
    CONSTRAINT fk_promises_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest)
)
STRICT;

CREATE INDEX ix_promises_brand_promise_id ON promises (brand, promise_id);

CREATE TABLE rights_documents (
    document_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    notifier_id INTEGER NOT NULL,
    brand TEXT NOT NULL,
    reference TEXT NOT NULL,
    filed_at INTEGER NOT NULL,
    checked_by TEXT,
    checked_at INTEGER,
    is_accepted INTEGER,
    details TEXT,
    valid_until INTEGER,
    CONSTRAINT fk_rights_documents_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id)
)
STRICT;

CREATE INDEX ix_rights_documents_notifier_id ON rights_documents (notifier_id);

CREATE TABLE rights_files (
    document_id INTEGER NOT NULL,
    content TEXT NOT NULL,
    CONSTRAINT pk_rights_files PRIMARY KEY (document_id),
    CONSTRAINT fk_rights_files_document_id FOREIGN KEY(document_id) REFERENCES rights_documents (document_id)
)
STRICT;

CREATE TABLE user_brands (
    binding_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    brand TEXT NOT NULL,
    notifier_id INTEGER NOT NULL,
    bound_by TEXT NOT NULL,
    bound_at INTEGER NOT NULL,
    ended_by TEXT,
    ended_at INTEGER,
    CONSTRAINT fk_user_brands_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id),
    CONSTRAINT fk_user_brands_user_id FOREIGN KEY(user_id) REFERENCES users (user_id)
)
STRICT;

CREATE INDEX ix_user_brands_user_id ON user_brands (user_id);

CREATE TABLE seller_proposals (
    proposal_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand TEXT NOT NULL,
    notifier_id INTEGER NOT NULL,
    pseudonym TEXT NOT NULL,
    encrypted TEXT NOT NULL,
    until INTEGER,
    proposed_by TEXT NOT NULL,
    proposed_at INTEGER NOT NULL,
    outcome TEXT,
    decided_by TEXT,
    decided_at INTEGER,
    CONSTRAINT ck_seller_proposals_outcome CHECK (outcome IN ('listed', 'declined')),
    CONSTRAINT fk_seller_proposals_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id)
)
STRICT;

CREATE INDEX ix_seller_proposals_notifier_id ON seller_proposals (notifier_id);

CREATE TABLE sessions (
    token_hash TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (token_hash),
    CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (user_id)
)
STRICT;

CREATE INDEX ix_sessions_user_id ON sessions (user_id);

CREATE TABLE saved_views (
    view_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    "query" TEXT NOT NULL,
    seller_id TEXT,
    is_shared INTEGER NOT NULL,
    CONSTRAINT fk_saved_views_user_id FOREIGN KEY(user_id) REFERENCES users (user_id)
)
STRICT;

CREATE UNIQUE INDEX ix_saved_views_user_id_name ON saved_views (user_id, name);

CREATE TABLE start_views (
    user_id INTEGER NOT NULL,
    view_id INTEGER NOT NULL,
    CONSTRAINT pk_start_views PRIMARY KEY (user_id),
    CONSTRAINT fk_start_views_user_id FOREIGN KEY(user_id) REFERENCES users (user_id),
    CONSTRAINT fk_start_views_view_id FOREIGN KEY(view_id) REFERENCES saved_views (view_id) ON DELETE CASCADE
)
STRICT;

CREATE INDEX ix_start_views_view_id ON start_views (view_id);

CREATE TABLE samples (
    sample_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL,
    file_digest TEXT NOT NULL,
    drawn_at INTEGER NOT NULL,
    model_version TEXT NOT NULL,
    seed_id INTEGER NOT NULL,
    rule TEXT NOT NULL,
    listings INTEGER NOT NULL,
    sure INTEGER NOT NULL,
    CONSTRAINT fk_samples_seed_id FOREIGN KEY(seed_id) REFERENCES seeds (seed_id),
    CONSTRAINT uq_samples_digest UNIQUE (digest)
)
STRICT;

CREATE INDEX ix_samples_file_digest ON samples (file_digest);

CREATE TABLE appeals (
    appeal_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL,
    case_id INTEGER NOT NULL,
    decision_id INTEGER NOT NULL,
    pseudonym TEXT NOT NULL,
    kind TEXT NOT NULL,
    profile TEXT NOT NULL,
    state TEXT NOT NULL,
    text TEXT NOT NULL,
    "key" TEXT,
    filed_at INTEGER NOT NULL,
    reference TEXT,
    holder TEXT,
    lease_expires_at INTEGER,
    CONSTRAINT ck_appeals_kind CHECK (kind IN ('complaint', 'counter-notice')),
    CONSTRAINT fk_appeals_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_appeals_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT uq_appeals_pseudonym_key UNIQUE (pseudonym, "key")
)
STRICT;

CREATE INDEX ix_appeals_case_id ON appeals (case_id);

CREATE INDEX ix_appeals_decision_id ON appeals (decision_id);

CREATE INDEX ix_appeals_pseudonym ON appeals (pseudonym);

CREATE INDEX ix_appeals_state_appeal_id ON appeals (state, appeal_id);

CREATE INDEX ix_appeals_subject ON appeals (subject);

CREATE TABLE automatic_decisions (
    decision_id INTEGER NOT NULL,
    promise_id INTEGER NOT NULL,
    brand TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    CONSTRAINT pk_automatic_decisions PRIMARY KEY (decision_id),
    CONSTRAINT fk_automatic_decisions_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_automatic_decisions_promise_id FOREIGN KEY(promise_id) REFERENCES promises (promise_id)
)
STRICT;

CREATE INDEX ix_automatic_decisions_brand_decided_at ON automatic_decisions (brand, decided_at);

CREATE INDEX ix_automatic_decisions_promise_id ON automatic_decisions (promise_id);

CREATE TABLE evidence (
    evidence_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    decision_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    pseudonym TEXT NOT NULL,
    digest TEXT NOT NULL,
    encrypted TEXT NOT NULL,
    stored_at INTEGER NOT NULL,
    CONSTRAINT fk_evidence_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_evidence_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT uq_evidence_decision_id UNIQUE (decision_id)
)
STRICT;

CREATE INDEX ix_evidence_case_id ON evidence (case_id);

CREATE INDEX ix_evidence_pseudonym ON evidence (pseudonym);

CREATE TABLE second_reviews (
    review_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    decision_id INTEGER,
    wanted_at INTEGER NOT NULL,
    wanted_of TEXT,
    not_by TEXT,
    sampling_probability REAL,
    holder TEXT,
    token INTEGER NOT NULL,
    lease_expires_at INTEGER,
    ended_at INTEGER,
    CONSTRAINT ck_second_reviews_kind CHECK (kind IN ('control', 'repeat', 'audit', 'second')),
    CONSTRAINT ck_second_reviews_sampling_probability CHECK (sampling_probability BETWEEN 0 AND 1),
    CONSTRAINT fk_second_reviews_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_second_reviews_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id)
)
STRICT;

CREATE INDEX ix_second_reviews_case_id ON second_reviews (case_id);

CREATE INDEX ix_second_reviews_ended_at_kind_wanted_at ON second_reviews (ended_at, kind, wanted_at);

CREATE TABLE measures (
    measure_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    decision_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    pseudonym TEXT NOT NULL,
    kind TEXT NOT NULL,
    territories TEXT NOT NULL,
    until INTEGER,
    policy_digest TEXT NOT NULL,
    imposed_by TEXT NOT NULL,
    imposed_at INTEGER NOT NULL,
    listed_at INTEGER,
    sales_before INTEGER,
    done_at INTEGER,
    lifted_by TEXT,
    lifted_at INTEGER,
    why_lifted TEXT,
    undone_at INTEGER,
    is_automatic INTEGER DEFAULT 0 NOT NULL,
    why TEXT,
    replaced_by INTEGER,
    refused_at INTEGER,
    why_refused TEXT,
    source TEXT DEFAULT 'own' NOT NULL,
    is_detected INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT ck_measures_kind CHECK (kind IN ('label', 'demote', 'pause', 'price-hold', 'remove', 'remove-in')),
    CONSTRAINT fk_measures_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_measures_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_measures_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest)
)
STRICT;

CREATE INDEX ix_measures_asked ON measures (imposed_at) WHERE done_at IS NULL AND lifted_at IS NULL;

CREATE INDEX ix_measures_case_id ON measures (case_id);

CREATE INDEX ix_measures_decision_id ON measures (decision_id);

CREATE INDEX ix_measures_ending ON measures (until) WHERE until IS NOT NULL AND lifted_at IS NULL;

CREATE INDEX ix_measures_lifted ON measures (lifted_at) WHERE lifted_at IS NOT NULL AND undone_at IS NULL;

CREATE INDEX ix_measures_pseudonym ON measures (pseudonym);

CREATE TABLE notice_items (
    item_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    notice_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    noted_at INTEGER NOT NULL,
    listing_digest TEXT NOT NULL,
    location TEXT NOT NULL,
    pseudonym TEXT,
    case_id INTEGER,
    state TEXT NOT NULL,
    repeats INTEGER,
    decision_id INTEGER,
    settled_at INTEGER,
    overturned_at INTEGER,
    CONSTRAINT ck_notice_items_state CHECK (state IN ('unknown', 'waiting', 'upheld', 'rejected', 'undecided', 'not found', 'repeated')),
    CONSTRAINT fk_notice_items_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_notice_items_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_notice_items_notice_id FOREIGN KEY(notice_id) REFERENCES notices (notice_id),
    CONSTRAINT fk_notice_items_repeats FOREIGN KEY(repeats) REFERENCES notice_items (item_id),
    CONSTRAINT uq_notice_items_notice_id_position UNIQUE (notice_id, position)
)
STRICT;

CREATE INDEX ix_notice_items_case_id ON notice_items (case_id);

CREATE INDEX ix_notice_items_listing_digest ON notice_items (listing_digest);

CREATE INDEX ix_notice_items_pseudonym ON notice_items (pseudonym);

CREATE INDEX ix_notice_items_state_item_id ON notice_items (state, item_id);

CREATE TABLE reversals (
    reversal_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    decision_id INTEGER NOT NULL,
    reviewer TEXT NOT NULL,
    reversed_at INTEGER NOT NULL,
    why TEXT NOT NULL,
    CONSTRAINT fk_reversals_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT uq_reversals_decision_id UNIQUE (decision_id)
)
STRICT;

CREATE TABLE sample_cases (
    sample_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    stratum INTEGER NOT NULL,
    random_order REAL,
    CONSTRAINT pk_sample_cases PRIMARY KEY (sample_id, case_id),
    CONSTRAINT fk_sample_cases_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_sample_cases_sample_id FOREIGN KEY(sample_id) REFERENCES samples (sample_id)
)
STRICT;

CREATE INDEX ix_sample_cases_case_id ON sample_cases (case_id);

CREATE TABLE sample_strata (
    sample_id INTEGER NOT NULL,
    stratum INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    listings INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    sampling_probability REAL NOT NULL,
    mean_score REAL NOT NULL,
    highest_score REAL,
    lowest_score REAL,
    CONSTRAINT pk_sample_strata PRIMARY KEY (sample_id, stratum),
    CONSTRAINT fk_sample_strata_sample_id FOREIGN KEY(sample_id) REFERENCES samples (sample_id)
)
STRICT;

CREATE TABLE stream_strata (
    sample_id INTEGER NOT NULL,
    stratum INTEGER NOT NULL,
    is_sure INTEGER NOT NULL,
    sampling_probability REAL NOT NULL,
    listings INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    expected REAL NOT NULL,
    CONSTRAINT pk_stream_strata PRIMARY KEY (sample_id, stratum),
    CONSTRAINT fk_stream_strata_sample_id FOREIGN KEY(sample_id) REFERENCES samples (sample_id)
)
STRICT;

CREATE TABLE spread_audits (
    decision_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    CONSTRAINT pk_spread_audits PRIMARY KEY (decision_id, case_id),
    CONSTRAINT fk_spread_audits_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_spread_audits_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id)
)
STRICT;

CREATE TABLE statements (
    statement_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL,
    decision_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    pseudonym TEXT NOT NULL,
    puid TEXT NOT NULL,
    facts TEXT NOT NULL,
    payload TEXT,
    letter TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    CONSTRAINT fk_statements_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_statements_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_statements_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest),
    CONSTRAINT uq_statements_puid UNIQUE (puid),
    CONSTRAINT uq_statements_subject UNIQUE (subject)
)
STRICT;

CREATE INDEX ix_statements_case_id ON statements (case_id);

CREATE INDEX ix_statements_decision_id ON statements (decision_id);

CREATE INDEX ix_statements_pseudonym ON statements (pseudonym);

CREATE TABLE strikes (
    strike_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    decision_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    pseudonym TEXT NOT NULL,
    ground TEXT NOT NULL,
    category TEXT,
    weight REAL NOT NULL,
    probability REAL,
    value REAL,
    listings REAL,
    age_days REAL,
    made_with INTEGER,
    cluster INTEGER NOT NULL,
    same_as INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    struck_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    policy_digest TEXT NOT NULL,
    currency TEXT,
    CONSTRAINT fk_strikes_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_strikes_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_strikes_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest),
    CONSTRAINT uq_strikes_decision_id UNIQUE (decision_id)
)
STRICT;

CREATE INDEX ix_strikes_case_id ON strikes (case_id);

CREATE INDEX ix_strikes_pseudonym_strike_id ON strikes (pseudonym, strike_id);

CREATE TABLE appeal_outcomes (
    appeal_id INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    why TEXT NOT NULL,
    measure_kind TEXT,
    CONSTRAINT pk_appeal_outcomes PRIMARY KEY (appeal_id),
    CONSTRAINT fk_appeal_outcomes_appeal_id FOREIGN KEY(appeal_id) REFERENCES appeals (appeal_id)
)
STRICT;

CREATE TABLE measure_messages (
    "key" TEXT NOT NULL,
    measure_id INTEGER NOT NULL,
    effect TEXT NOT NULL,
    CONSTRAINT pk_measure_messages PRIMARY KEY ("key", measure_id),
    CONSTRAINT ck_measure_messages_effect CHECK (effect IN ('imposed', 'lifted')),
    CONSTRAINT fk_measure_messages_measure_id FOREIGN KEY(measure_id) REFERENCES measures (measure_id)
)
STRICT;

CREATE INDEX ix_measure_messages_measure_id ON measure_messages (measure_id);

CREATE TABLE measure_stakes (
    measure_id INTEGER NOT NULL,
    size_band TEXT NOT NULL,
    age_band TEXT NOT NULL,
    loss_a_day REAL,
    harm REAL,
    currency TEXT,
    is_assumed INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    CONSTRAINT pk_measure_stakes PRIMARY KEY (measure_id),
    CONSTRAINT fk_measure_stakes_measure_id FOREIGN KEY(measure_id) REFERENCES measures (measure_id)
)
STRICT;

CREATE TABLE second_verdicts (
    verdict_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    review_id INTEGER,
    case_id INTEGER NOT NULL,
    listing_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    verdict TEXT NOT NULL,
    ground TEXT NOT NULL,
    note TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    token INTEGER NOT NULL,
    "key" TEXT,
    withdrawn_at INTEGER,
    CONSTRAINT ck_second_verdicts_kind CHECK (kind IN ('control', 'repeat', 'audit', 'first', 'second')),
    CONSTRAINT ck_second_verdicts_verdict CHECK (verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')),
    CONSTRAINT fk_second_verdicts_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_second_verdicts_review_id FOREIGN KEY(review_id) REFERENCES second_reviews (review_id),
    CONSTRAINT uq_second_verdicts_key UNIQUE ("key"),
    CONSTRAINT uq_second_verdicts_review_id UNIQUE (review_id)
)
STRICT;

CREATE INDEX ix_second_verdicts_case_id ON second_verdicts (case_id);

CREATE INDEX ix_second_verdicts_reviewer_kind_decided_at ON second_verdicts (reviewer, kind, decided_at);

CREATE TABLE penalties (
    penalty_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    pseudonym TEXT NOT NULL,
    strike_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    rung INTEGER NOT NULL,
    weight REAL NOT NULL,
    listings REAL,
    age_days REAL,
    policy_digest TEXT NOT NULL,
    why TEXT NOT NULL,
    proposed_at INTEGER NOT NULL,
    imposed_by TEXT,
    imposed_at INTEGER,
    until INTEGER,
    ended_as TEXT,
    ended_by TEXT,
    ended_at INTEGER,
    why_ended TEXT,
    why_confirmed TEXT,
    CONSTRAINT ck_penalties_ended_as CHECK (ended_as IN ('taken back', 'lifted', 'dismissed', 'over')),
    CONSTRAINT ck_penalties_kind CHECK (kind IN ('warn', 'limit', 'hold payout', 'suspend', 'close')),
    CONSTRAINT fk_penalties_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest),
    CONSTRAINT fk_penalties_strike_id FOREIGN KEY(strike_id) REFERENCES strikes (strike_id)
)
STRICT;

CREATE INDEX ix_penalties_ended_at_until ON penalties (ended_at, until);

CREATE INDEX ix_penalties_pseudonym_penalty_id ON penalties (pseudonym, penalty_id);

CREATE INDEX ix_penalties_strike_id ON penalties (strike_id);

CREATE TABLE strikes_taken_back (
    strike_id INTEGER NOT NULL,
    "by" TEXT NOT NULL,
    at INTEGER NOT NULL,
    why TEXT NOT NULL,
    CONSTRAINT pk_strikes_taken_back PRIMARY KEY (strike_id),
    CONSTRAINT fk_strikes_taken_back_strike_id FOREIGN KEY(strike_id) REFERENCES strikes (strike_id)
)
STRICT;

CREATE TABLE linked_accounts (
    link_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    pseudonym TEXT NOT NULL,
    linked_to TEXT NOT NULL,
    penalty_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    weight REAL NOT NULL,
    evidence TEXT NOT NULL,
    recommended_at INTEGER NOT NULL,
    outcome TEXT,
    decided_by TEXT,
    decided_at INTEGER,
    why TEXT,
    CONSTRAINT ck_linked_accounts_outcome CHECK (outcome IN ('review', 'nothing')),
    CONSTRAINT fk_linked_accounts_penalty_id FOREIGN KEY(penalty_id) REFERENCES penalties (penalty_id)
)
STRICT;

CREATE INDEX ix_linked_accounts_linked_to ON linked_accounts (linked_to);

CREATE UNIQUE INDEX ix_linked_accounts_penalty_id_pseudonym_kind ON linked_accounts (penalty_id, pseudonym, kind);

CREATE INDEX ix_linked_accounts_pseudonym ON linked_accounts (pseudonym);

CREATE TABLE jobs (
    name TEXT NOT NULL,
    schedule TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    runner TEXT,
    started_at INTEGER,
    finished_at INTEGER,
    seconds REAL,
    outcome TEXT,
    words TEXT,
    runs INTEGER DEFAULT '0' NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    failures_in_a_row INTEGER DEFAULT '0' NOT NULL,
    done_at INTEGER,
    CONSTRAINT pk_jobs PRIMARY KEY (name),
    CONSTRAINT ck_jobs_outcome CHECK (outcome IN ('done', 'failed', 'interrupted'))
)
WITHOUT ROWID,
STRICT;

CREATE TABLE listings (
    listing_id TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    sent TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    score REAL,
    model_version TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    withdrawn_at INTEGER,
    own_history TEXT NOT NULL,
    history_as_of INTEGER NOT NULL,
    last_event INTEGER NOT NULL,
    content TEXT NOT NULL,
    sample_id INTEGER NOT NULL,
    news_at INTEGER,
    CONSTRAINT pk_listings PRIMARY KEY (listing_id),
    CONSTRAINT ck_listings_score CHECK (score BETWEEN 0 AND 1)
)
STRICT;

CREATE INDEX ix_listings_received_at ON listings (received_at);

CREATE INDEX ix_listings_seller_id ON listings (seller_id);

CREATE TABLE seller_events (
    event_number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    listing_id TEXT,
    kind TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    known_at INTEGER NOT NULL,
    millionths INTEGER NOT NULL,
    counts_from INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    CONSTRAINT ck_seller_events_kind CHECK (kind IN ('joined', 'listed', 'sold', 'returned', 'complained', 'rated', 'struck')),
    CONSTRAINT uq_seller_events_event_id UNIQUE (event_id)
)
STRICT;

CREATE INDEX ix_seller_events_received_at ON seller_events (received_at);

CREATE INDEX ix_seller_events_seller_id_counts_from ON seller_events (seller_id, counts_from);

CREATE TABLE portfolio_listings (
    entry_number INTEGER NOT NULL,
    model_version TEXT NOT NULL,
    listing_id TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    moment INTEGER NOT NULL,
    suspicion INTEGER,
    received_at INTEGER NOT NULL,
    CONSTRAINT pk_portfolio_listings PRIMARY KEY (entry_number),
    CONSTRAINT ck_portfolio_listings_suspicion CHECK (suspicion BETWEEN 0 AND 1000),
    CONSTRAINT uq_portfolio_listings_listing_id_model_version UNIQUE (listing_id, model_version)
)
STRICT;

CREATE INDEX ix_portfolio_listings_received_at ON portfolio_listings (received_at);

CREATE INDEX ix_portfolio_listings_seller_id_model_version_moment_suspicion ON portfolio_listings (seller_id, model_version, moment, suspicion);

CREATE TABLE portfolios (
    portfolio_number INTEGER NOT NULL,
    model_version TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    suspicion INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    n_before INTEGER NOT NULL,
    suspicion_before INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    CONSTRAINT pk_portfolios PRIMARY KEY (portfolio_number),
    CONSTRAINT uq_portfolios_seller_id_model_version UNIQUE (seller_id, model_version)
)
STRICT;

CREATE INDEX ix_portfolios_changed_at ON portfolios (changed_at);
