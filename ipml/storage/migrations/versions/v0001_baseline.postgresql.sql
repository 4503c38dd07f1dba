CREATE TABLE audit (
    sequence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    CONSTRAINT pk_audit PRIMARY KEY (sequence)
);

CREATE INDEX ix_audit_subject ON audit (subject);

CREATE TABLE cases (
    case_id BIGSERIAL NOT NULL,
    listing_key TEXT NOT NULL,
    listing_id TEXT NOT NULL,
    observed_at BIGINT,
    seller_id TEXT NOT NULL,
    brand TEXT,
    score DOUBLE PRECISION,
    rank DOUBLE PRECISION NOT NULL,
    model_version TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    state TEXT NOT NULL,
    enqueued_at BIGINT NOT NULL,
    holder TEXT,
    token BIGINT NOT NULL,
    lease_expires_at BIGINT,
    value DOUBLE PRECISION,
    expected_value TEXT,
    minutes DOUBLE PRECISION,
    due_at BIGINT,
    score_rank DOUBLE PRECISION DEFAULT 0 NOT NULL,
    value_rank DOUBLE PRECISION DEFAULT 0 NOT NULL,
    sampling_probability DOUBLE PRECISION,
    lane TEXT DEFAULT 'ranked' NOT NULL,
    random_order DOUBLE PRECISION,
    exemplar BIGINT,
    relisting_of BIGINT,
    category TEXT,
    erased_at BIGINT,
    version BIGINT DEFAULT '1' NOT NULL,
    content TEXT,
    brand_read TEXT,
    seen_at BIGINT,
    drawn_at BIGINT,
    assigned_to TEXT,
    snoozed_until BIGINT,
    script TEXT,
    queue_id BIGINT,
    successor BIGINT,
    CONSTRAINT pk_cases PRIMARY KEY (case_id),
    CONSTRAINT ck_cases_state CHECK (state IN ('open', 'decided', 'escalated', 'superseded')),
    CONSTRAINT ck_cases_score CHECK (score BETWEEN 0 AND 1),
    CONSTRAINT uq_cases_listing_key UNIQUE (listing_key)
);

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
    deadline_id BIGSERIAL NOT NULL,
    subject TEXT NOT NULL,
    stage TEXT NOT NULL,
    profile TEXT NOT NULL,
    state TEXT NOT NULL,
    since BIGINT,
    due_at BIGINT,
    latest_at BIGINT,
    is_provisional BOOLEAN NOT NULL,
    marked_at BIGINT,
    paused_at BIGINT,
    longer_by BIGINT NOT NULL,
    is_extended BOOLEAN NOT NULL,
    CONSTRAINT pk_deadlines PRIMARY KEY (deadline_id),
    CONSTRAINT uq_deadlines_subject_stage UNIQUE (subject, stage)
);

CREATE INDEX ix_deadlines_stage_since ON deadlines (stage, since);

CREATE INDEX ix_deadlines_state_due_at ON deadlines (state, due_at);

CREATE TABLE referrals (
    referral_id BIGSERIAL NOT NULL,
    reference TEXT NOT NULL,
    network BIGINT NOT NULL,
    members_digest TEXT NOT NULL,
    recipient TEXT NOT NULL,
    brand TEXT,
    purpose TEXT NOT NULL,
    built_by TEXT NOT NULL,
    built_at BIGINT NOT NULL,
    content_digest TEXT NOT NULL,
    follows BIGINT,
    n_members BIGINT NOT NULL,
    n_confirmed BIGINT NOT NULL,
    value_low DOUBLE PRECISION,
    value DOUBLE PRECISION,
    value_high DOUBLE PRECISION,
    currency TEXT,
    solvability DOUBLE PRECISION NOT NULL,
    effort DOUBLE PRECISION NOT NULL,
    signs TEXT NOT NULL,
    tells_sellers BOOLEAN NOT NULL,
    received_by TEXT,
    received_at BIGINT,
    CONSTRAINT pk_referrals PRIMARY KEY (referral_id),
    CONSTRAINT fk_referrals_follows FOREIGN KEY(follows) REFERENCES referrals (referral_id),
    CONSTRAINT uq_referrals_reference UNIQUE (reference)
);

CREATE INDEX ix_referrals_members_digest ON referrals (members_digest);

CREATE TABLE enforcement_policies (
    digest TEXT NOT NULL,
    policy TEXT NOT NULL,
    first_used_at BIGINT NOT NULL,
    CONSTRAINT pk_enforcement_policies PRIMARY KEY (digest)
);

CREATE TABLE erasures (
    erasure_id BIGSERIAL NOT NULL,
    pseudonym TEXT NOT NULL,
    erased_by TEXT NOT NULL,
    erased_at BIGINT NOT NULL,
    why TEXT NOT NULL,
    cases BIGINT NOT NULL,
    swept_at BIGINT,
    CONSTRAINT pk_erasures PRIMARY KEY (erasure_id)
);

CREATE INDEX ix_erasures_pseudonym ON erasures (pseudonym);

CREATE TABLE notifiers (
    notifier_id BIGSERIAL NOT NULL,
    address TEXT,
    pseudonym TEXT NOT NULL,
    key TEXT,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_notifiers PRIMARY KEY (notifier_id),
    CONSTRAINT ck_notifiers_kind CHECK (kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')),
    CONSTRAINT uq_notifiers_address UNIQUE (address),
    CONSTRAINT uq_notifiers_pseudonym UNIQUE (pseudonym)
);

CREATE TABLE outbox (
    message_id BIGSERIAL NOT NULL,
    key TEXT NOT NULL,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT DEFAULT '1' NOT NULL,
    subject TEXT NOT NULL,
    pseudonym TEXT,
    body TEXT NOT NULL,
    put_at BIGINT NOT NULL,
    state TEXT DEFAULT 'waiting' NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    next_try_at BIGINT NOT NULL,
    holder TEXT,
    lease_expires_at BIGINT,
    last_error TEXT,
    settled_at BIGINT,
    dropped_by TEXT,
    dropped_at BIGINT,
    why_dropped TEXT,
    CONSTRAINT pk_outbox PRIMARY KEY (message_id),
    CONSTRAINT ck_outbox_state CHECK (state IN ('waiting', 'delivered', 'dead')),
    CONSTRAINT uq_outbox_key UNIQUE (key)
);

CREATE INDEX ix_outbox_kind_settled_at ON outbox (kind, settled_at);

CREATE INDEX ix_outbox_pseudonym ON outbox (pseudonym);

CREATE INDEX ix_outbox_state_next_try_at_message_id ON outbox (state, next_try_at, message_id);

CREATE INDEX ix_outbox_subject_message_id ON outbox (subject, message_id);

CREATE TABLE platform_answers (
    answer_id BIGSERIAL NOT NULL,
    key TEXT NOT NULL,
    status TEXT NOT NULL,
    said_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    told_by TEXT NOT NULL,
    why TEXT,
    CONSTRAINT pk_platform_answers PRIMARY KEY (answer_id),
    CONSTRAINT ck_platform_answers_status CHECK (status IN ('accepted', 'done', 'refused', 'failed'))
);

CREATE INDEX ix_platform_answers_key ON platform_answers (key);

CREATE TABLE rankings (
    ranking_id BIGSERIAL NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    "order" TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    policy TEXT NOT NULL,
    usual TEXT NOT NULL,
    CONSTRAINT pk_rankings PRIMARY KEY (ranking_id),
    CONSTRAINT ck_rankings_order CHECK ("order" IN ('score', 'value', 'fifo'))
);

CREATE TABLE seeds (
    seed_id BIGSERIAL NOT NULL,
    seed TEXT NOT NULL,
    drawn_at BIGINT NOT NULL,
    CONSTRAINT pk_seeds PRIMARY KEY (seed_id)
);

CREATE TABLE seller_keys (
    seller_id TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_seller_keys PRIMARY KEY (seller_id),
    CONSTRAINT uq_seller_keys_pseudonym UNIQUE (pseudonym)
);

CREATE TABLE review_queues (
    queue_id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    removed_at BIGINT,
    CONSTRAINT pk_review_queues PRIMARY KEY (queue_id)
);

CREATE TABLE seller_list_entries (
    entry_id BIGSERIAL NOT NULL,
    kind TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    brand TEXT,
    brand_read TEXT,
    alias_of BIGINT,
    origin TEXT NOT NULL,
    encrypted TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    until BIGINT,
    removed_by TEXT,
    removed_at BIGINT,
    why_removed TEXT,
    CONSTRAINT pk_seller_list_entries PRIMARY KEY (entry_id),
    CONSTRAINT ck_seller_list_entries_kind CHECK (kind IN ('authorised', 'denied', 'watched')),
    CONSTRAINT ck_seller_list_entries_origin CHECK (origin IN ('person', 'program', 'brand file'))
);

CREATE INDEX ix_seller_list_entries_alias_of ON seller_list_entries (alias_of);

CREATE INDEX ix_seller_list_entries_kind ON seller_list_entries (kind) WHERE removed_at IS NULL;

CREATE INDEX ix_seller_list_entries_pseudonym_kind ON seller_list_entries (pseudonym, kind) WHERE removed_at IS NULL;

CREATE TABLE tries (
    try_id BIGSERIAL NOT NULL,
    address TEXT NOT NULL,
    name_hash TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_tries PRIMARY KEY (try_id)
);

CREATE INDEX ix_tries_address_at ON tries (address, at);

CREATE INDEX ix_tries_at ON tries (at);

CREATE TABLE user_sellers (
    user_name TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    since BIGINT NOT NULL,
    CONSTRAINT pk_user_sellers PRIMARY KEY (user_name, seller_id)
);

CREATE TABLE users (
    user_id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (user_id),
    CONSTRAINT ck_users_role CHECK (role IN ('brand', 'viewer', 'reviewer', 'lead', 'admin')),
    CONSTRAINT uq_users_name UNIQUE (name)
);

CREATE TABLE automatic_draws (
    case_id BIGINT NOT NULL,
    brand TEXT NOT NULL,
    model_version TEXT NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    sampling_probability DOUBLE PRECISION NOT NULL,
    drawn_at BIGINT NOT NULL,
    CONSTRAINT pk_automatic_draws PRIMARY KEY (case_id),
    CONSTRAINT fk_automatic_draws_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE INDEX ix_automatic_draws_drawn_at_case_id ON automatic_draws (drawn_at, case_id);

CREATE TABLE bands (
    band BIGINT NOT NULL,
    case_id BIGINT NOT NULL,
    CONSTRAINT pk_bands PRIMARY KEY (band, case_id),
    CONSTRAINT fk_bands_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE TABLE case_comments (
    comment_id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    pseudonym TEXT NOT NULL,
    author TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    encrypted TEXT NOT NULL,
    CONSTRAINT pk_case_comments PRIMARY KEY (comment_id),
    CONSTRAINT fk_case_comments_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE INDEX ix_case_comments_case_id ON case_comments (case_id);

CREATE INDEX ix_case_comments_pseudonym ON case_comments (pseudonym);

CREATE TABLE case_texts (
    case_id BIGINT NOT NULL,
    text TEXT NOT NULL,
    CONSTRAINT pk_case_texts PRIMARY KEY (case_id),
    CONSTRAINT fk_case_texts_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE TABLE translations (
    case_id BIGINT NOT NULL,
    digest TEXT NOT NULL,
    text TEXT NOT NULL,
    language TEXT,
    made_at BIGINT NOT NULL,
    CONSTRAINT pk_translations PRIMARY KEY (case_id),
    CONSTRAINT fk_translations_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE INDEX ix_translations_digest ON translations (digest);

CREATE TABLE pictures (
    case_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    digest TEXT,
    found_at TEXT,
    kind TEXT,
    width BIGINT,
    height BIGINT,
    n_bytes BIGINT,
    fetched_at BIGINT,
    why TEXT,
    group_id BIGINT,
    CONSTRAINT pk_pictures PRIMARY KEY (case_id, position),
    CONSTRAINT ck_pictures_state CHECK (state IN ('waiting', 'stored', 'failed', 'left')),
    CONSTRAINT fk_pictures_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE INDEX ix_pictures_digest ON pictures (digest);

CREATE INDEX ix_pictures_group_id_case_id ON pictures (group_id, case_id);

CREATE INDEX ix_pictures_state_due_at ON pictures (state, due_at);

CREATE INDEX ix_pictures_ungrouped ON pictures (digest) WHERE state = 'stored' AND group_id IS NULL;

CREATE TABLE picture_groups (
    group_id BIGSERIAL NOT NULL,
    hash TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    CONSTRAINT pk_picture_groups PRIMARY KEY (group_id)
);

CREATE TABLE reference_pictures (
    reference_id BIGSERIAL NOT NULL,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL,
    brand TEXT NOT NULL,
    source TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    removed_by TEXT,
    removed_at BIGINT,
    group_id BIGINT,
    CONSTRAINT pk_reference_pictures PRIMARY KEY (reference_id),
    CONSTRAINT ck_reference_pictures_kind CHECK (kind IN ('counterfeit', 'genuine'))
);

CREATE INDEX ix_reference_pictures_digest ON reference_pictures (digest);

CREATE INDEX ix_reference_pictures_group_id ON reference_pictures (group_id);

CREATE INDEX ix_reference_pictures_ungrouped ON reference_pictures (digest) WHERE removed_at IS NULL AND group_id IS NULL;

CREATE TABLE deadline_events (
    sequence BIGSERIAL NOT NULL,
    deadline_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    by TEXT NOT NULL,
    payload TEXT NOT NULL,
    CONSTRAINT pk_deadline_events PRIMARY KEY (sequence),
    CONSTRAINT fk_deadline_events_deadline_id FOREIGN KEY(deadline_id) REFERENCES deadlines (deadline_id)
);

CREATE INDEX ix_deadline_events_deadline_id ON deadline_events (deadline_id);

CREATE TABLE referral_outcomes (
    outcome_id BIGSERIAL NOT NULL,
    referral_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    amount DOUBLE PRECISION,
    why TEXT,
    noted_by TEXT NOT NULL,
    noted_at BIGINT NOT NULL,
    currency TEXT,
    CONSTRAINT pk_referral_outcomes PRIMARY KEY (outcome_id),
    CONSTRAINT ck_referral_outcomes_kind CHECK (kind IN ('opened', 'arrests', 'seized', 'dropped')),
    CONSTRAINT fk_referral_outcomes_referral_id FOREIGN KEY(referral_id) REFERENCES referrals (referral_id)
);

CREATE INDEX ix_referral_outcomes_referral_id ON referral_outcomes (referral_id);

CREATE TABLE decisions (
    decision_id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    listing_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    ground TEXT NOT NULL,
    note TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    token BIGINT NOT NULL,
    key TEXT,
    sampling_probability DOUBLE PRECISION,
    lane TEXT DEFAULT 'ranked' NOT NULL,
    origin TEXT DEFAULT 'review' NOT NULL,
    group_key TEXT,
    spread_from BIGINT,
    CONSTRAINT pk_decisions PRIMARY KEY (decision_id),
    CONSTRAINT ck_decisions_verdict CHECK (verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')),
    CONSTRAINT fk_decisions_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT uq_decisions_key UNIQUE (key)
);

CREATE INDEX ix_decisions_case_id ON decisions (case_id);

CREATE INDEX ix_decisions_decided_at_reviewer ON decisions (decided_at, reviewer);

CREATE INDEX ix_decisions_group_key ON decisions (group_key);

CREATE INDEX ix_decisions_listing_id ON decisions (listing_id);

CREATE INDEX ix_decisions_reviewer_decided_at ON decisions (reviewer, decided_at);

CREATE INDEX ix_decisions_reviewer_decision_id ON decisions (reviewer, decision_id);

CREATE TABLE disclosures (
    disclosure_id BIGSERIAL NOT NULL,
    referral_id BIGINT NOT NULL,
    pseudonym TEXT NOT NULL,
    name TEXT NOT NULL,
    is_confirmed BOOLEAN NOT NULL,
    disclosed_at BIGINT NOT NULL,
    CONSTRAINT pk_disclosures PRIMARY KEY (disclosure_id),
    CONSTRAINT fk_disclosures_referral_id FOREIGN KEY(referral_id) REFERENCES referrals (referral_id),
    CONSTRAINT uq_disclosures_referral_id_pseudonym UNIQUE (referral_id, pseudonym)
);

CREATE INDEX ix_disclosures_pseudonym ON disclosures (pseudonym);

CREATE TABLE control_cases (
    control_id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    truth TEXT NOT NULL,
    source TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    removed_at BIGINT,
    CONSTRAINT pk_control_cases PRIMARY KEY (control_id),
    CONSTRAINT ck_control_cases_truth CHECK (truth IN ('counterfeit', 'genuine')),
    CONSTRAINT fk_control_cases_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE INDEX ix_control_cases_case_id ON control_cases (case_id);

CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_identities PRIMARY KEY (issuer, subject),
    CONSTRAINT fk_identities_user_id FOREIGN KEY(user_id) REFERENCES users (user_id)
);

CREATE INDEX ix_identities_user_id ON identities (user_id);

CREATE TABLE legal_holds (
    hold_id BIGSERIAL NOT NULL,
    pseudonym TEXT NOT NULL,
    case_id BIGINT,
    encrypted TEXT NOT NULL,
    placed_by TEXT NOT NULL,
    placed_at BIGINT NOT NULL,
    until BIGINT NOT NULL,
    released_by TEXT,
    released_at BIGINT,
    CONSTRAINT pk_legal_holds PRIMARY KEY (hold_id),
    CONSTRAINT fk_legal_holds_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE INDEX ix_legal_holds_pseudonym ON legal_holds (pseudonym);

CREATE TABLE notices (
    notice_id BIGSERIAL NOT NULL,
    reference TEXT NOT NULL,
    notifier_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    brand TEXT,
    encrypted TEXT NOT NULL,
    explanation TEXT NOT NULL,
    key TEXT,
    content_digest TEXT NOT NULL,
    tier TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    is_suspended BOOLEAN DEFAULT false NOT NULL,
    settled_at BIGINT,
    CONSTRAINT pk_notices PRIMARY KEY (notice_id),
    CONSTRAINT ck_notices_kind CHECK (kind IN ('counterfeit', 'complaint')),
    CONSTRAINT fk_notices_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id),
    CONSTRAINT uq_notices_notifier_id_key UNIQUE (notifier_id, key),
    CONSTRAINT uq_notices_reference UNIQUE (reference)
);

CREATE INDEX ix_notices_notifier_id ON notices (notifier_id);

CREATE INDEX ix_notices_notifier_id_content_digest ON notices (notifier_id, content_digest);

CREATE INDEX ix_notices_tier_received_at ON notices (tier, received_at);

CREATE INDEX ix_notices_waiting ON notices (received_at) WHERE settled_at IS NULL;

CREATE TABLE notifier_appointments (
    appointment_id BIGSERIAL NOT NULL,
    notifier_id BIGINT NOT NULL,
    kind TEXT,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    until BIGINT,
    ground TEXT NOT NULL,
    CONSTRAINT pk_notifier_appointments PRIMARY KEY (appointment_id),
    CONSTRAINT ck_notifier_appointments_kind CHECK (kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')),
    CONSTRAINT fk_notifier_appointments_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id)
);

CREATE INDEX ix_notifier_appointments_notifier_id ON notifier_appointments (notifier_id);

CREATE TABLE notifier_steps (
    step_id BIGSERIAL NOT NULL,
    notifier_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    taken_by TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    until BIGINT,
    why TEXT NOT NULL,
    CONSTRAINT pk_notifier_steps PRIMARY KEY (step_id),
    CONSTRAINT ck_notifier_steps_kind CHECK (kind IN ('warn', 'suspend', 'lift')),
    CONSTRAINT fk_notifier_steps_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id)
);

CREATE INDEX ix_notifier_steps_notifier_id ON notifier_steps (notifier_id);

CREATE TABLE promises (
    promise_id BIGSERIAL NOT NULL,
    at BIGINT NOT NULL,
    brand TEXT NOT NULL,
    event TEXT NOT NULL,
    cause TEXT NOT NULL,
    actor TEXT NOT NULL,
    why TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    model_version TEXT,
    threshold DOUBLE PRECISION,
    promised DOUBLE PRECISION,
    bound DOUBLE PRECISION,
    reviews BIGINT,
    errors BIGINT,
    since BIGINT,
    CONSTRAINT pk_promises PRIMARY KEY (promise_id),
    CONSTRAINT ck_promises_cause CHECK (cause IN ('data', 'alarm', 'reversals', 'model', 'person')),
    CONSTRAINT ck_promises_event CHECK (event IN ('given', 'held', 'withdrawn', 'allowed')),
    CONSTRAINT fk_promises_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest)
);

CREATE INDEX ix_promises_brand_promise_id ON promises (brand, promise_id);

CREATE TABLE rights_documents (
    document_id BIGSERIAL NOT NULL,
    notifier_id BIGINT NOT NULL,
    brand TEXT NOT NULL,
    reference TEXT NOT NULL,
    filed_at BIGINT NOT NULL,
    checked_by TEXT,
    checked_at BIGINT,
    is_accepted BOOLEAN,
    details TEXT,
    valid_until BIGINT,
    CONSTRAINT pk_rights_documents PRIMARY KEY (document_id),
    CONSTRAINT fk_rights_documents_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id)
);

CREATE INDEX ix_rights_documents_notifier_id ON rights_documents (notifier_id);

CREATE TABLE rights_files (
    document_id BIGINT NOT NULL,
    content TEXT NOT NULL,
    CONSTRAINT pk_rights_files PRIMARY KEY (document_id),
    CONSTRAINT fk_rights_files_document_id FOREIGN KEY(document_id) REFERENCES rights_documents (document_id)
);

CREATE TABLE user_brands (
    binding_id BIGSERIAL NOT NULL,
    user_id BIGINT NOT NULL,
    brand TEXT NOT NULL,
    notifier_id BIGINT NOT NULL,
    bound_by TEXT NOT NULL,
    bound_at BIGINT NOT NULL,
    ended_by TEXT,
    ended_at BIGINT,
    CONSTRAINT pk_user_brands PRIMARY KEY (binding_id),
    CONSTRAINT fk_user_brands_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id),
    CONSTRAINT fk_user_brands_user_id FOREIGN KEY(user_id) REFERENCES users (user_id)
);

CREATE INDEX ix_user_brands_user_id ON user_brands (user_id);

CREATE TABLE seller_proposals (
    proposal_id BIGSERIAL NOT NULL,
    brand TEXT NOT NULL,
    notifier_id BIGINT NOT NULL,
    pseudonym TEXT NOT NULL,
    encrypted TEXT NOT NULL,
    until BIGINT,
    proposed_by TEXT NOT NULL,
    proposed_at BIGINT NOT NULL,
    outcome TEXT,
    decided_by TEXT,
    decided_at BIGINT,
    CONSTRAINT pk_seller_proposals PRIMARY KEY (proposal_id),
    CONSTRAINT ck_seller_proposals_outcome CHECK (outcome IN ('listed', 'declined')),
    CONSTRAINT fk_seller_proposals_notifier_id FOREIGN KEY(notifier_id) REFERENCES notifiers (notifier_id)
);

CREATE INDEX ix_seller_proposals_notifier_id ON seller_proposals (notifier_id);

CREATE TABLE sessions (
    token_hash TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (token_hash),
    CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (user_id)
);

CREATE INDEX ix_sessions_user_id ON sessions (user_id);

CREATE TABLE saved_views (
    view_id BIGSERIAL NOT NULL,
    user_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    query TEXT NOT NULL,
    seller_id TEXT,
    is_shared BOOLEAN NOT NULL,
    CONSTRAINT pk_saved_views PRIMARY KEY (view_id),
    CONSTRAINT fk_saved_views_user_id FOREIGN KEY(user_id) REFERENCES users (user_id)
);

CREATE UNIQUE INDEX ix_saved_views_user_id_name ON saved_views (user_id, name);

CREATE TABLE start_views (
    user_id BIGINT NOT NULL,
    view_id BIGINT NOT NULL,
    CONSTRAINT pk_start_views PRIMARY KEY (user_id),
    CONSTRAINT fk_start_views_user_id FOREIGN KEY(user_id) REFERENCES users (user_id),
    CONSTRAINT fk_start_views_view_id FOREIGN KEY(view_id) REFERENCES saved_views (view_id) ON DELETE CASCADE
);

CREATE INDEX ix_start_views_view_id ON start_views (view_id);

CREATE TABLE samples (
    sample_id BIGSERIAL NOT NULL,
    digest TEXT NOT NULL,
    file_digest TEXT NOT NULL,
    drawn_at BIGINT NOT NULL,
    model_version TEXT NOT NULL,
    seed_id BIGINT NOT NULL,
    rule TEXT NOT NULL,
    listings BIGINT NOT NULL,
    sure BIGINT NOT NULL,
    CONSTRAINT pk_samples PRIMARY KEY (sample_id),
    CONSTRAINT fk_samples_seed_id FOREIGN KEY(seed_id) REFERENCES seeds (seed_id),
    CONSTRAINT uq_samples_digest UNIQUE (digest)
);

CREATE INDEX ix_samples_file_digest ON samples (file_digest);

CREATE TABLE appeals (
    appeal_id BIGSERIAL NOT NULL,
    subject TEXT NOT NULL,
    case_id BIGINT NOT NULL,
    decision_id BIGINT NOT NULL,
    pseudonym TEXT NOT NULL,
    kind TEXT NOT NULL,
    profile TEXT NOT NULL,
    state TEXT NOT NULL,
    text TEXT NOT NULL,
    key TEXT,
    filed_at BIGINT NOT NULL,
    reference TEXT,
    holder TEXT,
    lease_expires_at BIGINT,
    CONSTRAINT pk_appeals PRIMARY KEY (appeal_id),
    CONSTRAINT ck_appeals_kind CHECK (kind IN ('complaint', 'counter-notice')),
    CONSTRAINT fk_appeals_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_appeals_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT uq_appeals_pseudonym_key UNIQUE (pseudonym, key)
);

CREATE INDEX ix_appeals_case_id ON appeals (case_id);

CREATE INDEX ix_appeals_decision_id ON appeals (decision_id);

CREATE INDEX ix_appeals_pseudonym ON appeals (pseudonym);

CREATE INDEX ix_appeals_state_appeal_id ON appeals (state, appeal_id);

CREATE INDEX ix_appeals_subject ON appeals (subject);

CREATE TABLE automatic_decisions (
    decision_id BIGINT NOT NULL,
    promise_id BIGINT NOT NULL,
    brand TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    CONSTRAINT pk_automatic_decisions PRIMARY KEY (decision_id),
    CONSTRAINT fk_automatic_decisions_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_automatic_decisions_promise_id FOREIGN KEY(promise_id) REFERENCES promises (promise_id)
);

CREATE INDEX ix_automatic_decisions_brand_decided_at ON automatic_decisions (brand, decided_at);

CREATE INDEX ix_automatic_decisions_promise_id ON automatic_decisions (promise_id);

CREATE TABLE evidence (
    evidence_id BIGSERIAL NOT NULL,
    decision_id BIGINT NOT NULL,
    case_id BIGINT NOT NULL,
    pseudonym TEXT NOT NULL,
    digest TEXT NOT NULL,
    encrypted TEXT NOT NULL,
    stored_at BIGINT NOT NULL,
    CONSTRAINT pk_evidence PRIMARY KEY (evidence_id),
    CONSTRAINT fk_evidence_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_evidence_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT uq_evidence_decision_id UNIQUE (decision_id)
);

CREATE INDEX ix_evidence_case_id ON evidence (case_id);

CREATE INDEX ix_evidence_pseudonym ON evidence (pseudonym);

CREATE TABLE second_reviews (
    review_id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    decision_id BIGINT,
    wanted_at BIGINT NOT NULL,
    wanted_of TEXT,
    not_by TEXT,
    sampling_probability DOUBLE PRECISION,
    holder TEXT,
    token BIGINT NOT NULL,
    lease_expires_at BIGINT,
    ended_at BIGINT,
    CONSTRAINT pk_second_reviews PRIMARY KEY (review_id),
    CONSTRAINT ck_second_reviews_kind CHECK (kind IN ('control', 'repeat', 'audit', 'second')),
    CONSTRAINT ck_second_reviews_sampling_probability CHECK (sampling_probability BETWEEN 0 AND 1),
    CONSTRAINT fk_second_reviews_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_second_reviews_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id)
);

CREATE INDEX ix_second_reviews_case_id ON second_reviews (case_id);

CREATE INDEX ix_second_reviews_ended_at_kind_wanted_at ON second_reviews (ended_at, kind, wanted_at);

CREATE TABLE measures (
    measure_id BIGSERIAL NOT NULL,
    decision_id BIGINT NOT NULL,
    case_id BIGINT NOT NULL,
    pseudonym TEXT NOT NULL,
    kind TEXT NOT NULL,
    territories TEXT NOT NULL,
    until BIGINT,
    policy_digest TEXT NOT NULL,
    imposed_by TEXT NOT NULL,
    imposed_at BIGINT NOT NULL,
    listed_at BIGINT,
    sales_before BIGINT,
    done_at BIGINT,
    lifted_by TEXT,
    lifted_at BIGINT,
    why_lifted TEXT,
    undone_at BIGINT,
    is_automatic BOOLEAN DEFAULT false NOT NULL,
    why TEXT,
    replaced_by BIGINT,
    refused_at BIGINT,
    why_refused TEXT,
    source TEXT DEFAULT 'own' NOT NULL,
    is_detected BOOLEAN DEFAULT true NOT NULL,
    CONSTRAINT pk_measures PRIMARY KEY (measure_id),
    CONSTRAINT ck_measures_kind CHECK (kind IN ('label', 'demote', 'pause', 'price-hold', 'remove', 'remove-in')),
    CONSTRAINT fk_measures_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_measures_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_measures_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest)
);

CREATE INDEX ix_measures_asked ON measures (imposed_at) WHERE done_at IS NULL AND lifted_at IS NULL;

CREATE INDEX ix_measures_case_id ON measures (case_id);

CREATE INDEX ix_measures_decision_id ON measures (decision_id);

CREATE INDEX ix_measures_ending ON measures (until) WHERE until IS NOT NULL AND lifted_at IS NULL;

CREATE INDEX ix_measures_lifted ON measures (lifted_at) WHERE lifted_at IS NOT NULL AND undone_at IS NULL;

CREATE INDEX ix_measures_pseudonym ON measures (pseudonym);

CREATE TABLE notice_items (
    item_id BIGSERIAL NOT NULL,
    notice_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    noted_at BIGINT NOT NULL,
    listing_digest TEXT NOT NULL,
    location TEXT NOT NULL,
    pseudonym TEXT,
    case_id BIGINT,
    state TEXT NOT NULL,
    repeats BIGINT,
    decision_id BIGINT,
    settled_at BIGINT,
    overturned_at BIGINT,
    CONSTRAINT pk_notice_items PRIMARY KEY (item_id),
    CONSTRAINT ck_notice_items_state CHECK (state IN ('unknown', 'waiting', 'upheld', 'rejected', 'undecided', 'not found', 'repeated')),
    CONSTRAINT fk_notice_items_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_notice_items_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_notice_items_notice_id FOREIGN KEY(notice_id) REFERENCES notices (notice_id),
    CONSTRAINT fk_notice_items_repeats FOREIGN KEY(repeats) REFERENCES notice_items (item_id),
    CONSTRAINT uq_notice_items_notice_id_position UNIQUE (notice_id, position)
);

CREATE INDEX ix_notice_items_case_id ON notice_items (case_id);

CREATE INDEX ix_notice_items_listing_digest ON notice_items (listing_digest);

CREATE INDEX ix_notice_items_pseudonym ON notice_items (pseudonym);

CREATE INDEX ix_notice_items_state_item_id ON notice_items (state, item_id);

CREATE TABLE reversals (
    reversal_id BIGSERIAL NOT NULL,
    decision_id BIGINT NOT NULL,
    reviewer TEXT NOT NULL,
    reversed_at BIGINT NOT NULL,
    why TEXT NOT NULL,
    CONSTRAINT pk_reversals PRIMARY KEY (reversal_id),
    CONSTRAINT fk_reversals_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT uq_reversals_decision_id UNIQUE (decision_id)
);

CREATE TABLE sample_cases (
    sample_id BIGINT NOT NULL,
    case_id BIGINT NOT NULL,
    stratum BIGINT NOT NULL,
    random_order DOUBLE PRECISION,
    CONSTRAINT pk_sample_cases PRIMARY KEY (sample_id, case_id),
    CONSTRAINT fk_sample_cases_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_sample_cases_sample_id FOREIGN KEY(sample_id) REFERENCES samples (sample_id)
);

CREATE INDEX ix_sample_cases_case_id ON sample_cases (case_id);

CREATE TABLE sample_strata (
    sample_id BIGINT NOT NULL,
    stratum BIGINT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    listings BIGINT NOT NULL,
    shown BIGINT NOT NULL,
    sampling_probability DOUBLE PRECISION NOT NULL,
    mean_score DOUBLE PRECISION NOT NULL,
    highest_score DOUBLE PRECISION,
    lowest_score DOUBLE PRECISION,
    CONSTRAINT pk_sample_strata PRIMARY KEY (sample_id, stratum),
    CONSTRAINT fk_sample_strata_sample_id FOREIGN KEY(sample_id) REFERENCES samples (sample_id)
);

CREATE TABLE stream_strata (
    sample_id BIGINT NOT NULL,
    stratum BIGINT NOT NULL,
    is_sure BOOLEAN NOT NULL,
    sampling_probability DOUBLE PRECISION NOT NULL,
    listings BIGINT NOT NULL,
    shown BIGINT NOT NULL,
    expected DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_stream_strata PRIMARY KEY (sample_id, stratum),
    CONSTRAINT fk_stream_strata_sample_id FOREIGN KEY(sample_id) REFERENCES samples (sample_id)
);

CREATE TABLE spread_audits (
    decision_id BIGINT NOT NULL,
    case_id BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    CONSTRAINT pk_spread_audits PRIMARY KEY (decision_id, case_id),
    CONSTRAINT fk_spread_audits_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_spread_audits_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id)
);

CREATE TABLE statements (
    statement_id BIGSERIAL NOT NULL,
    subject TEXT NOT NULL,
    decision_id BIGINT NOT NULL,
    case_id BIGINT NOT NULL,
    pseudonym TEXT NOT NULL,
    puid TEXT NOT NULL,
    facts TEXT NOT NULL,
    payload TEXT,
    letter TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    CONSTRAINT pk_statements PRIMARY KEY (statement_id),
    CONSTRAINT fk_statements_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_statements_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_statements_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest),
    CONSTRAINT uq_statements_puid UNIQUE (puid),
    CONSTRAINT uq_statements_subject UNIQUE (subject)
);

CREATE INDEX ix_statements_case_id ON statements (case_id);

CREATE INDEX ix_statements_decision_id ON statements (decision_id);

CREATE INDEX ix_statements_pseudonym ON statements (pseudonym);

CREATE TABLE strikes (
    strike_id BIGSERIAL NOT NULL,
    decision_id BIGINT NOT NULL,
    case_id BIGINT NOT NULL,
    pseudonym TEXT NOT NULL,
    ground TEXT NOT NULL,
    category TEXT,
    weight DOUBLE PRECISION NOT NULL,
    probability DOUBLE PRECISION,
    value DOUBLE PRECISION,
    listings DOUBLE PRECISION,
    age_days DOUBLE PRECISION,
    made_with BIGINT,
    cluster BIGINT NOT NULL,
    same_as BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    struck_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    policy_digest TEXT NOT NULL,
    currency TEXT,
    CONSTRAINT pk_strikes PRIMARY KEY (strike_id),
    CONSTRAINT fk_strikes_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_strikes_decision_id FOREIGN KEY(decision_id) REFERENCES decisions (decision_id),
    CONSTRAINT fk_strikes_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest),
    CONSTRAINT uq_strikes_decision_id UNIQUE (decision_id)
);

CREATE INDEX ix_strikes_case_id ON strikes (case_id);

CREATE INDEX ix_strikes_pseudonym_strike_id ON strikes (pseudonym, strike_id);

CREATE TABLE appeal_outcomes (
    appeal_id BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    why TEXT NOT NULL,
    measure_kind TEXT,
    CONSTRAINT pk_appeal_outcomes PRIMARY KEY (appeal_id),
    CONSTRAINT fk_appeal_outcomes_appeal_id FOREIGN KEY(appeal_id) REFERENCES appeals (appeal_id)
);

CREATE TABLE measure_messages (
    key TEXT NOT NULL,
    measure_id BIGINT NOT NULL,
    effect TEXT NOT NULL,
    CONSTRAINT pk_measure_messages PRIMARY KEY (key, measure_id),
    CONSTRAINT ck_measure_messages_effect CHECK (effect IN ('imposed', 'lifted')),
    CONSTRAINT fk_measure_messages_measure_id FOREIGN KEY(measure_id) REFERENCES measures (measure_id)
);

CREATE INDEX ix_measure_messages_measure_id ON measure_messages (measure_id);

CREATE TABLE measure_stakes (
    measure_id BIGINT NOT NULL,
    size_band TEXT NOT NULL,
    age_band TEXT NOT NULL,
    loss_a_day DOUBLE PRECISION,
    harm DOUBLE PRECISION,
    currency TEXT,
    is_assumed BOOLEAN NOT NULL,
    stored_at BIGINT NOT NULL,
    CONSTRAINT pk_measure_stakes PRIMARY KEY (measure_id),
    CONSTRAINT fk_measure_stakes_measure_id FOREIGN KEY(measure_id) REFERENCES measures (measure_id)
);

CREATE TABLE second_verdicts (
    verdict_id BIGSERIAL NOT NULL,
    review_id BIGINT,
    case_id BIGINT NOT NULL,
    listing_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    verdict TEXT NOT NULL,
    ground TEXT NOT NULL,
    note TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    token BIGINT NOT NULL,
    key TEXT,
    withdrawn_at BIGINT,
    CONSTRAINT pk_second_verdicts PRIMARY KEY (verdict_id),
    CONSTRAINT ck_second_verdicts_kind CHECK (kind IN ('control', 'repeat', 'audit', 'first', 'second')),
    CONSTRAINT ck_second_verdicts_verdict CHECK (verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')),
    CONSTRAINT fk_second_verdicts_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT fk_second_verdicts_review_id FOREIGN KEY(review_id) REFERENCES second_reviews (review_id),
    CONSTRAINT uq_second_verdicts_key UNIQUE (key),
    CONSTRAINT uq_second_verdicts_review_id UNIQUE (review_id)
);

CREATE INDEX ix_second_verdicts_case_id ON second_verdicts (case_id);

CREATE INDEX ix_second_verdicts_reviewer_kind_decided_at ON second_verdicts (reviewer, kind, decided_at);

CREATE TABLE penalties (
    penalty_id BIGSERIAL NOT NULL,
    pseudonym TEXT NOT NULL,
    strike_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    rung BIGINT NOT NULL,
    weight DOUBLE PRECISION NOT NULL,
    listings DOUBLE PRECISION,
    age_days DOUBLE PRECISION,
    policy_digest TEXT NOT NULL,
    why TEXT NOT NULL,
    proposed_at BIGINT NOT NULL,
    imposed_by TEXT,
    imposed_at BIGINT,
    until BIGINT,
    ended_as TEXT,
    ended_by TEXT,
    ended_at BIGINT,
    why_ended TEXT,
    why_confirmed TEXT,
    CONSTRAINT pk_penalties PRIMARY KEY (penalty_id),
    CONSTRAINT ck_penalties_ended_as CHECK (ended_as IN ('taken back', 'lifted', 'dismissed', 'over')),
    CONSTRAINT ck_penalties_kind CHECK (kind IN ('warn', 'limit', 'hold payout', 'suspend', 'close')),
    CONSTRAINT fk_penalties_policy_digest FOREIGN KEY(policy_digest) REFERENCES enforcement_policies (digest),
    CONSTRAINT fk_penalties_strike_id FOREIGN KEY(strike_id) REFERENCES strikes (strike_id)
);

CREATE INDEX ix_penalties_ended_at_until ON penalties (ended_at, until);

CREATE INDEX ix_penalties_pseudonym_penalty_id ON penalties (pseudonym, penalty_id);

CREATE INDEX ix_penalties_strike_id ON penalties (strike_id);

CREATE TABLE strikes_taken_back (
    strike_id BIGINT NOT NULL,
    by TEXT NOT NULL,
    at BIGINT NOT NULL,
    why TEXT NOT NULL,
    CONSTRAINT pk_strikes_taken_back PRIMARY KEY (strike_id),
    CONSTRAINT fk_strikes_taken_back_strike_id FOREIGN KEY(strike_id) REFERENCES strikes (strike_id)
);

CREATE TABLE linked_accounts (
    link_id BIGSERIAL NOT NULL,
    pseudonym TEXT NOT NULL,
    linked_to TEXT NOT NULL,
    penalty_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    weight DOUBLE PRECISION NOT NULL,
    evidence TEXT NOT NULL,
    recommended_at BIGINT NOT NULL,
    outcome TEXT,
    decided_by TEXT,
    decided_at BIGINT,
    why TEXT,
    CONSTRAINT pk_linked_accounts PRIMARY KEY (link_id),
    CONSTRAINT ck_linked_accounts_outcome CHECK (outcome IN ('review', 'nothing')),
    CONSTRAINT fk_linked_accounts_penalty_id FOREIGN KEY(penalty_id) REFERENCES penalties (penalty_id)
);

CREATE INDEX ix_linked_accounts_linked_to ON linked_accounts (linked_to);

CREATE UNIQUE INDEX ix_linked_accounts_penalty_id_pseudonym_kind ON linked_accounts (penalty_id, pseudonym, kind);

CREATE INDEX ix_linked_accounts_pseudonym ON linked_accounts (pseudonym);

CREATE TABLE jobs (
    name TEXT NOT NULL,
    schedule TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    runner TEXT,
    started_at BIGINT,
    finished_at BIGINT,
    seconds DOUBLE PRECISION,
    outcome TEXT,
    words TEXT,
    runs BIGINT DEFAULT '0' NOT NULL,
    failures BIGINT DEFAULT '0' NOT NULL,
    failures_in_a_row BIGINT DEFAULT '0' NOT NULL,
    done_at BIGINT,
    CONSTRAINT pk_jobs PRIMARY KEY (name),
    CONSTRAINT ck_jobs_outcome CHECK (outcome IN ('done', 'failed', 'interrupted'))
);

CREATE TABLE listings (
    listing_id TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    sent TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    score DOUBLE PRECISION,
    model_version TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    withdrawn_at BIGINT,
    own_history TEXT NOT NULL,
    history_as_of BIGINT NOT NULL,
    last_event BIGINT NOT NULL,
    content TEXT NOT NULL,
    sample_id BIGINT NOT NULL,
    news_at BIGINT,
    CONSTRAINT pk_listings PRIMARY KEY (listing_id),
    CONSTRAINT ck_listings_score CHECK (score BETWEEN 0 AND 1)
);

CREATE INDEX ix_listings_received_at ON listings (received_at);

CREATE INDEX ix_listings_seller_id ON listings (seller_id);

CREATE TABLE seller_events (
    event_number BIGSERIAL NOT NULL,
    event_id TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    listing_id TEXT,
    kind TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    known_at BIGINT NOT NULL,
    millionths BIGINT NOT NULL,
    counts_from BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    CONSTRAINT pk_seller_events PRIMARY KEY (event_number),
    CONSTRAINT ck_seller_events_kind CHECK (kind IN ('joined', 'listed', 'sold', 'returned', 'complained', 'rated', 'struck')),
    CONSTRAINT uq_seller_events_event_id UNIQUE (event_id)
);

CREATE INDEX ix_seller_events_received_at ON seller_events (received_at);

CREATE INDEX ix_seller_events_seller_id_counts_from ON seller_events (seller_id, counts_from);

CREATE TABLE portfolio_listings (
    entry_number BIGSERIAL NOT NULL,
    model_version TEXT NOT NULL,
    listing_id TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    moment BIGINT NOT NULL,
    suspicion BIGINT,
    received_at BIGINT NOT NULL,
    CONSTRAINT pk_portfolio_listings PRIMARY KEY (entry_number),
    CONSTRAINT ck_portfolio_listings_suspicion CHECK (suspicion BETWEEN 0 AND 1000),
    CONSTRAINT uq_portfolio_listings_listing_id_model_version UNIQUE (listing_id, model_version)
);

CREATE INDEX ix_portfolio_listings_received_at ON portfolio_listings (received_at);

CREATE INDEX ix_portfolio_listings_seller_id_model_version_moment_suspicion ON portfolio_listings (seller_id, model_version, moment, suspicion);

CREATE TABLE portfolios (
    portfolio_number BIGSERIAL NOT NULL,
    model_version TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    n BIGINT NOT NULL,
    suspicion BIGINT NOT NULL,
    latest BIGINT NOT NULL,
    n_before BIGINT NOT NULL,
    suspicion_before BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT pk_portfolios PRIMARY KEY (portfolio_number),
    CONSTRAINT uq_portfolios_seller_id_model_version UNIQUE (seller_id, model_version)
);

CREATE INDEX ix_portfolios_changed_at ON portfolios (changed_at);
