// SPDX-License-Identifier: MIT
//! e2str.h, as bindings.py wrote it. What everything means is there.
#![allow(non_camel_case_types)]
use std::os::raw::{c_char, c_int, c_void};

pub const E2STR_VERSION_MAJOR: u32 = 0;
pub const E2STR_VERSION_MINOR: u32 = 1;
pub const E2STR_VERSION_PATCH: u32 = 0;
pub const E2STR_ERROR_SIZE: u32 = 256;
pub const E2STR_MAX_OPERATIONS: u64 = 1 << 36;
pub const E2STR_MAX_THREADS: u32 = 256;
pub const E2STR_MAX_SPIN: u32 = 1000000;
pub const E2STR_ROTATE_AUTO: u32 = u32::MAX;
pub const E2STR_INDEX_FROM: u32 = 65536;
pub const E2STR_STRENGTH_CHECKED: f32 = -1.0;
pub const E2STR_MAX_LENGTH: u32 = 255;
pub const E2STR_MAX_BONUS: u32 = 100;
pub const E2STR_MAX_EXAMPLES: u32 = 64;
pub const E2STR_MAX_BEAMS: u32 = 16;
pub const E2STR_MAX_ALTERNATIVES: u32 = 8;
pub const E2STR_MAX_INFLUENCES: u32 = 16;
pub const E2STR_K_DEFAULT: u32 = u32::MAX;
pub const E2STR_K_EXAMPLES: u32 = 8;
pub const E2STR_SIMILARITY_OF_MODEL: f32 = -2.0;
pub const E2STR_MAX_TICKETS: u32 = 65536;
pub const E2STR_MIN_WINDOW: u32 = 10;
pub const E2STR_MAX_WINDOW: u32 = 100000;

pub type e2str_status = u32;
pub const E2STR_OK: e2str_status = 0;
pub const E2STR_ERROR_ARGUMENT: e2str_status = 1;
pub const E2STR_ERROR_MEMORY: e2str_status = 2;
pub const E2STR_ERROR_IO: e2str_status = 3;
pub const E2STR_ERROR_FORMAT: e2str_status = 4;
pub const E2STR_ERROR_UNSUPPORTED: e2str_status = 5;
pub const E2STR_ERROR_MISMATCH: e2str_status = 6;
pub const E2STR_ERROR_IMAGE: e2str_status = 7;
pub const E2STR_ERROR_LIMIT: e2str_status = 8;
pub const E2STR_ERROR_LABEL: e2str_status = 9;
pub const E2STR_ERROR_FULL: e2str_status = 10;
pub const E2STR_ERROR_NOT_FOUND: e2str_status = 11;
pub const E2STR_ERROR_CONFLICT: e2str_status = 12;
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_error {
    pub message: [c_char; E2STR_ERROR_SIZE as usize],
}
#[repr(C)]
pub struct e2str_model {
    _private: [u8; 0],
}
pub type e2str_log_fn = Option<unsafe extern "C" fn(*mut c_void, *const c_char)>;
pub type e2str_precision = u32;
pub const E2STR_PRECISION_FILE: e2str_precision = 0;
pub const E2STR_PRECISION_F32: e2str_precision = 1;
pub const E2STR_PRECISION_AUTO: e2str_precision = 2;
pub const E2STR_PRECISION_INT8: e2str_precision = 3;
pub const E2STR_PRECISION_BF16: e2str_precision = 4;
pub type e2str_products = u32;
pub const E2STR_PRODUCTS_AUTO: e2str_products = 0;
pub const E2STR_PRODUCTS_OPENBLAS: e2str_products = 1;
pub const E2STR_PRODUCTS_OWN: e2str_products = 2;
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_model_options {
    pub size: usize,
    pub log: e2str_log_fn,
    pub log_user: *mut c_void,
    pub precision: e2str_precision,
    pub products: e2str_products,
    pub max_operations: u64,
    pub threads: u32,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_model_info {
    pub size: usize,
    pub name: [c_char; 64],
    pub parameters: u64,
    pub file_bytes: u64,
    pub image_width: u32,
    pub image_height: u32,
    pub visual_tokens: u32,
    pub visual_width: u32,
    pub vision_layers: u32,
    pub resampler_layers: u32,
    pub decoder_layers: u32,
    pub decoder_width: u32,
    pub vocabulary: u32,
    pub positions: u32,
    pub tokenizer: *const c_char,
    pub segment_stride: u32,
    pub min_similarity: f32,
    pub memory: u32,
    pub trim: u32,
    pub precision: e2str_precision,
    pub calibrated: u32,
    pub places: u32,
    pub min_width: u32,
    pub max_width: u32,
}
#[repr(C)]
pub struct e2str_session {
    _private: [u8; 0],
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_session_options {
    pub size: usize,
    pub threads: u32,
    pub spin_microseconds: u64,
}
pub type e2str_format = u32;
pub const E2STR_GREY: e2str_format = 1;
pub const E2STR_RGB: e2str_format = 3;
pub const E2STR_RGBA: e2str_format = 4;
pub const E2STR_BGR: e2str_format = 5;
pub type e2str_trim = u32;
pub const E2STR_TRIM_OF_MODEL: e2str_trim = 0;
pub const E2STR_TRIM_NEVER: e2str_trim = 1;
pub const E2STR_TRIM_ALWAYS: e2str_trim = 2;
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_image {
    pub pixels: *const u8,
    pub width: u32,
    pub height: u32,
    pub stride: isize,
    pub format: e2str_format,
    pub rotate: u32,
    pub owned: *mut c_void,
    pub trim: e2str_trim,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_area {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
    pub rotate: u32,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_image_limits {
    pub size: usize,
    pub max_pixels: u64,
    pub max_side: u32,
    pub max_scans: u32,
    pub ignore_orientation: u32,
    pub log: e2str_log_fn,
    pub log_user: *mut c_void,
}
#[repr(C)]
pub struct e2str_pool {
    _private: [u8; 0],
}
pub type e2str_storage = u32;
pub const E2STR_STORE_F16: e2str_storage = 1;
pub const E2STR_STORE_F32: e2str_storage = 2;
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_pool_options {
    pub size: usize,
    pub max_bytes: u64,
    pub storage: e2str_storage,
    pub cache_bytes: u64,
    pub unmapped: u64,
    pub index_from: u64,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_archive_options {
    pub size: usize,
    pub without_tokens: u32,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_pool_info {
    pub size: usize,
    pub examples: u64,
    pub added: u64,
    pub storage: e2str_storage,
    pub archive: u32,
    pub mapped: u32,
    pub segments: u64,
    pub file_bytes: u64,
    pub unused_bytes: u64,
    pub without_tokens: u64,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_learn_options {
    pub size: usize,
    pub strength: f32,
    pub keep_doubtful: u32,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_memory_report {
    pub size: usize,
    pub examples: u64,
    pub doubtful: u64,
    pub characters: u64,
    pub tokens: u32,
    pub new_characters: u32,
    pub silent: u32,
    pub letter_case: u32,
    pub strength: f32,
    pub checked: u64,
    pub right_without: u64,
    pub right_with: u64,
}
#[repr(C)]
pub struct e2str_memory {
    _private: [u8; 0],
}
#[repr(C)]
pub struct e2str_prompt {
    _private: [u8; 0],
}
#[repr(C)]
pub struct e2str_constraint {
    _private: [u8; 0],
}
pub type e2str_accept_fn = Option<unsafe extern "C" fn(*mut c_void, *const c_char, usize) -> c_int>;
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_constraint_options {
    pub size: usize,
    pub characters: *const c_char,
    pub pattern: *const c_char,
    pub lexicon: *const c_char,
    pub lexicon_size: usize,
    pub lexicon_path: *const c_char,
    pub lexicon_bonus: f32,
    pub ignore_case: u32,
    pub min_length: u32,
    pub max_length: u32,
    pub accept: e2str_accept_fn,
    pub accept_user: *mut c_void,
}
pub type e2str_nearest_fn = Option<
    unsafe extern "C" fn(
        *mut c_void,
        *const f32,
        usize,
        usize,
        *mut u64,
        *mut usize,
    ) -> e2str_status,
>;
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_read_options {
    pub size: usize,
    pub k: u32,
    pub min_similarity: f32,
    pub examples: *const u64,
    pub n_examples: usize,
    pub prompt: *const e2str_prompt,
    pub beams: u32,
    pub max_tokens: u32,
    pub alternatives: u32,
    pub clean_up: u32,
    pub memory: *const e2str_memory,
    pub memory_factor: f32,
    pub influences: u32,
    pub memory_everywhere: u32,
    pub places: u32,
    pub reject_below: f32,
    pub textless_from: f32,
    pub constraint: *const e2str_constraint,
    pub attention: u32,
    pub second_look: f32,
    pub nearest: e2str_nearest_fn,
    pub nearest_user: *mut c_void,
}
#[repr(C)]
pub struct e2str_result {
    _private: [u8; 0],
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_character {
    pub offset: usize,
    pub length: usize,
    pub probability: f32,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_box {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
    pub evidence: f32,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_influence {
    pub example: u64,
    pub offset: usize,
    pub amount: f32,
}
#[repr(C)]
pub struct e2str_stream {
    _private: [u8; 0],
}
pub type e2str_drop = u32;
pub const E2STR_DROP_LEAST_USEFUL: e2str_drop = 0;
pub const E2STR_DROP_OLDEST: e2str_drop = 1;
pub const E2STR_DROP_RANDOM: e2str_drop = 2;
pub const E2STR_DROP_LEAST_USED: e2str_drop = 3;
pub type e2str_contradiction = u32;
pub const E2STR_NEWER_WINS: e2str_contradiction = 0;
pub const E2STR_OLDER_WINS: e2str_contradiction = 1;
pub type e2str_add_right = u32;
pub const E2STR_ADD_RIGHT_WITH_ROOM: e2str_add_right = 0;
pub const E2STR_ADD_RIGHT_ALWAYS: e2str_add_right = 1;
pub const E2STR_ADD_RIGHT_NEVER: e2str_add_right = 2;
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_stream_options {
    pub size: usize,
    pub max_examples: u64,
    pub max_bytes: u64,
    pub drop: e2str_drop,
    pub contradiction: e2str_contradiction,
    pub learn_share: f32,
    pub learn_least: u32,
    pub add_right: e2str_add_right,
    pub max_tickets: u32,
    pub ticket_bytes: u64,
    pub window: u32,
    pub seed: u64,
}
pub type e2str_outcome = u32;
pub const E2STR_OUTCOME_NONE: e2str_outcome = 0;
pub const E2STR_OUTCOME_ADDED: e2str_outcome = 1;
pub const E2STR_OUTCOME_REPEATED: e2str_outcome = 2;
pub const E2STR_OUTCOME_REPLACED: e2str_outcome = 3;
pub const E2STR_OUTCOME_REFUSED: e2str_outcome = 4;
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_correction {
    pub size: usize,
    pub outcome: e2str_outcome,
    pub right: u32,
    pub id: u64,
    pub other: u64,
    pub dropped: u64,
    pub learnt: u32,
    pub learning: e2str_status,
    pub drift: u32,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct e2str_stream_report {
    pub size: usize,
    pub reads: u64,
    pub judged: u64,
    pub right: u64,
    pub added: u64,
    pub repeated: u64,
    pub contradicted: u64,
    pub dropped: u64,
    pub learnt: u64,
    pub examples: u64,
    pub bytes: u64,
    pub changes: u64,
    pub tickets: u64,
    pub recent: f32,
    pub before: f32,
    pub drifts: u64,
    pub drift_at: u64,
    pub drift_from: f32,
    pub drift_to: f32,
}

extern "C" {
    pub fn e2str_version() -> *const c_char;
    pub fn e2str_version_number() -> u32;
    pub fn e2str_status_name(status: e2str_status) -> *const c_char;
    pub fn e2str_cpu_name() -> *const c_char;
    pub fn e2str_model_options_init_size(options: *mut e2str_model_options, size: usize);
    pub fn e2str_model_open(
        path: *const c_char,
        options: *const e2str_model_options,
        model: *mut *mut e2str_model,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_default_model_path(
        path: *mut c_char,
        capacity: usize,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_model_open_memory(
        data: *const c_void,
        size: usize,
        options: *const e2str_model_options,
        model: *mut *mut e2str_model,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_model_get_info(
        model: *const e2str_model,
        info: *mut e2str_model_info,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_model_info_init_size(info: *mut e2str_model_info, size: usize);
    pub fn e2str_model_checksum(model: *const e2str_model) -> u64;
    pub fn e2str_model_close(model: *mut e2str_model);
    pub fn e2str_session_options_init_size(options: *mut e2str_session_options, size: usize);
    pub fn e2str_session_new(
        model: *const e2str_model,
        options: *const e2str_session_options,
        session: *mut *mut e2str_session,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_session_bytes(session: *const e2str_session) -> usize;
    pub fn e2str_session_free(session: *mut e2str_session);
    pub fn e2str_image_limits_init_size(limits: *mut e2str_image_limits, size: usize);
    pub fn e2str_image_load(
        path: *const c_char,
        limits: *const e2str_image_limits,
        image: *mut e2str_image,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_image_load_memory(
        data: *const c_void,
        size: usize,
        limits: *const e2str_image_limits,
        image: *mut e2str_image,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_image_free(image: *mut e2str_image);
    pub fn e2str_image_cut(
        image: *const e2str_image,
        corners: *const f32,
        width: u32,
        height: u32,
        cut: *mut e2str_image,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_image_cut_point(
        corners: *const f32,
        width: u32,
        height: u32,
        x: f32,
        y: f32,
        picture_x: *mut f32,
        picture_y: *mut f32,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_visual_tokens(
        model: *const e2str_model,
        image: *const e2str_image,
        tokens: *mut u32,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_encode(
        session: *mut e2str_session,
        images: *const e2str_image,
        n: usize,
        tokens: *mut f32,
        keys: *mut f32,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_options_init_size(options: *mut e2str_pool_options, size: usize);
    pub fn e2str_pool_new(
        model: *const e2str_model,
        options: *const e2str_pool_options,
        pool: *mut *mut e2str_pool,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_add(
        pool: *mut e2str_pool,
        session: *mut e2str_session,
        image: *const e2str_image,
        label: *const c_char,
        label_size: usize,
        id: *mut u64,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_remove(
        pool: *mut e2str_pool,
        id: u64,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_clear(pool: *mut e2str_pool);
    pub fn e2str_pool_count(pool: *const e2str_pool) -> usize;
    pub fn e2str_pool_bytes(pool: *const e2str_pool) -> u64;
    pub fn e2str_pool_ids(pool: *const e2str_pool, ids: *mut u64, capacity: usize) -> usize;
    pub fn e2str_pool_label(
        pool: *const e2str_pool,
        id: u64,
        label: *mut c_char,
        capacity: usize,
        label_size: *mut usize,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_key(
        pool: *const e2str_pool,
        id: u64,
        key: *mut f32,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_nearest(
        pool: *const e2str_pool,
        key: *const f32,
        k: usize,
        min_similarity: f32,
        ids: *mut u64,
        similarities: *mut f32,
        found: *mut usize,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_save(
        pool: *const e2str_pool,
        path: *const c_char,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_overwrite(
        pool: *const e2str_pool,
        path: *const c_char,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_load(
        model: *const e2str_model,
        path: *const c_char,
        options: *const e2str_pool_options,
        pool: *mut *mut e2str_pool,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_free(pool: *mut e2str_pool);
    pub fn e2str_archive_options_init_size(options: *mut e2str_archive_options, size: usize);
    pub fn e2str_pool_save_archive(
        pool: *mut e2str_pool,
        path: *const c_char,
        options: *const e2str_archive_options,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_refresh(pool: *mut e2str_pool, error: *mut e2str_error) -> e2str_status;
    pub fn e2str_pool_verify(pool: *const e2str_pool, error: *mut e2str_error) -> e2str_status;
    pub fn e2str_pool_get_info(
        pool: *const e2str_pool,
        info: *mut e2str_pool_info,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_info_init_size(info: *mut e2str_pool_info, size: usize);
    pub fn e2str_learn_options_init_size(options: *mut e2str_learn_options, size: usize);
    pub fn e2str_memory_report_init_size(report: *mut e2str_memory_report, size: usize);
    pub fn e2str_pool_learn(
        pool: *mut e2str_pool,
        session: *mut e2str_session,
        options: *const e2str_learn_options,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_forget(pool: *mut e2str_pool);
    pub fn e2str_pool_report(
        pool: *const e2str_pool,
        report: *mut e2str_memory_report,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_doubt(
        pool: *const e2str_pool,
        id: u64,
        doubt: *mut f32,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_pool_memory(
        pool: *const e2str_pool,
        memory: *mut *mut e2str_memory,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_memory_bytes(memory: *const e2str_memory) -> u64;
    pub fn e2str_memory_free(memory: *mut e2str_memory);
    pub fn e2str_prompt_new(
        session: *mut e2str_session,
        pool: *const e2str_pool,
        ids: *const u64,
        n: usize,
        prompt: *mut *mut e2str_prompt,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_prompt_bytes(prompt: *const e2str_prompt) -> usize;
    pub fn e2str_prompt_free(prompt: *mut e2str_prompt);
    pub fn e2str_constraint_options_init_size(options: *mut e2str_constraint_options, size: usize);
    pub fn e2str_constraint_new(
        options: *const e2str_constraint_options,
        constraint: *mut *mut e2str_constraint,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_constraint_matches(
        constraint: *const e2str_constraint,
        text: *const c_char,
        size: usize,
    ) -> c_int;
    pub fn e2str_constraint_bytes(constraint: *const e2str_constraint) -> usize;
    pub fn e2str_constraint_free(constraint: *mut e2str_constraint);
    pub fn e2str_read_options_init_size(options: *mut e2str_read_options, size: usize);
    pub fn e2str_result_new(
        result: *mut *mut e2str_result,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_result_free(result: *mut e2str_result);
    pub fn e2str_read(
        session: *mut e2str_session,
        image: *const e2str_image,
        pool: *const e2str_pool,
        options: *const e2str_read_options,
        result: *mut e2str_result,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_read_batch(
        session: *mut e2str_session,
        images: *const e2str_image,
        n: usize,
        pool: *const e2str_pool,
        options: *const e2str_read_options,
        results: *const *mut e2str_result,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_result_text(result: *const e2str_result) -> *const c_char;
    pub fn e2str_result_text_size(result: *const e2str_result) -> usize;
    pub fn e2str_result_score(result: *const e2str_result) -> f32;
    pub fn e2str_result_confidence(result: *const e2str_result) -> f32;
    pub fn e2str_result_textless(result: *const e2str_result) -> f32;
    pub fn e2str_result_second_look(result: *const e2str_result) -> c_int;
    pub fn e2str_result_rejected(result: *const e2str_result) -> c_int;
    pub fn e2str_result_truncated(result: *const e2str_result) -> c_int;
    pub fn e2str_result_end_probability(result: *const e2str_result) -> f32;
    pub fn e2str_result_unmatched(result: *const e2str_result) -> c_int;
    pub fn e2str_result_characters(result: *const e2str_result) -> usize;
    pub fn e2str_result_character(
        result: *const e2str_result,
        index: usize,
        character: *mut e2str_character,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_result_box(
        result: *const e2str_result,
        index: usize,
        place: *mut e2str_box,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_result_attention(
        result: *const e2str_result,
        index: usize,
        weights: *mut *const f32,
        rows: *mut u32,
        columns: *mut u32,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_result_alternatives(result: *const e2str_result, index: usize) -> usize;
    pub fn e2str_result_alternative(
        result: *const e2str_result,
        index: usize,
        rank: usize,
        text: *mut *const c_char,
        probability: *mut f32,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_result_area(
        result: *const e2str_result,
        area: *mut e2str_area,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_result_examples(result: *const e2str_result) -> usize;
    pub fn e2str_result_example(
        result: *const e2str_result,
        index: usize,
        id: *mut u64,
        similarity: *mut f32,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_result_memory(result: *const e2str_result, index: usize) -> f32;
    pub fn e2str_result_influences(result: *const e2str_result, index: usize) -> usize;
    pub fn e2str_result_influence(
        result: *const e2str_result,
        index: usize,
        rank: usize,
        influence: *mut e2str_influence,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_result_tokens(result: *const e2str_result, tokens: *mut *const u32) -> usize;
    pub fn e2str_stream_options_init_size(options: *mut e2str_stream_options, size: usize);
    pub fn e2str_stream_new(
        pool: *mut e2str_pool,
        session: *mut e2str_session,
        options: *const e2str_stream_options,
        stream: *mut *mut e2str_stream,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_stream_free(stream: *mut e2str_stream);
    pub fn e2str_stream_read(
        stream: *mut e2str_stream,
        image: *const e2str_image,
        options: *const e2str_read_options,
        result: *mut e2str_result,
        ticket: *mut u64,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_correction_init_size(correction: *mut e2str_correction, size: usize);
    pub fn e2str_stream_correct(
        stream: *mut e2str_stream,
        ticket: u64,
        text: *const c_char,
        text_size: usize,
        answer: *mut e2str_correction,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_stream_confirm(
        stream: *mut e2str_stream,
        ticket: u64,
        answer: *mut e2str_correction,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_stream_learn(stream: *mut e2str_stream, error: *mut e2str_error) -> e2str_status;
    pub fn e2str_stream_save(
        stream: *mut e2str_stream,
        path: *const c_char,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_stream_report_init_size(report: *mut e2str_stream_report, size: usize);
    pub fn e2str_stream_get_report(
        stream: *const e2str_stream,
        report: *mut e2str_stream_report,
        error: *mut e2str_error,
    ) -> e2str_status;
    pub fn e2str_stream_use(
        stream: *const e2str_stream,
        id: u64,
        amount: *mut f32,
        error: *mut e2str_error,
    ) -> e2str_status;
}
