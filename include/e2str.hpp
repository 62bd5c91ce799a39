// SPDX-License-Identifier: MIT
// libe2str for C++17 and later: owners that free what they hold, exceptions instead of statuses, lists instead of
// indices. It adds nothing else: what calls do, their options and limits, and which threads may do what is in e2str.h.
//
//     #include <e2str.hpp>
//     #include <iostream>
//
//     int main() try {
//         const e2str::Model model;  // the shipped one
//         e2str::Session session(model);
//         const e2str::Result result = session.read(e2str::Image("word.png"));
//         std::cout << result.text() << '\t' << result.score() << '\n';
//         for (const e2str::Character &character : result.characters())
//             std::cout << character.text << '\t' << character.probability << '\n';
//     } catch (const e2str::Error &error) {
//         return std::cerr << error.what() << '\n', 1;
//     }
//
// Owners can be moved, not copied; get() gives the handle for e2str.h. One that was moved from may only be assigned to
// or destroyed. A model must outlive what is made with it. Options are the structures of e2str.h, with their defaults
// as e2str::defaults<e2str_read_options>() gives them.
#ifndef E2STR_HPP
#define E2STR_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "e2str.h"

namespace e2str {
// What a call failed with; what() is the library's message.
class Error : public std::runtime_error {
  public:
    Error(e2str_status status, const char *message) : std::runtime_error(message), status_(status) {}
    e2str_status status() const noexcept { return status_; }
    const char *name() const noexcept { return e2str_status_name(status_); } // "argument", "io", ...

  private:
    e2str_status status_;
};

// call(e2str_something, arguments...): the function with an error behind them; throws Error unless it is OK.
template <typename Function, typename... Arguments> void call(Function function, Arguments... arguments) {
    e2str_error error = {};
    if (const e2str_status status = function(arguments..., &error)) throw Error(status, error.message);
}

// The same for a function that gives its answer behind them, in what `filled` is then.
template <typename T, typename Function, typename... Arguments>
T answer(T filled, Function function, Arguments... arguments) {
    call(function, arguments..., &filled);
    return filled;
}

// Things in the caller's memory, one behind the other: of a std::span, vector, array.
template <typename T> class Span {
  public:
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <typename Container, typename Item = std::remove_pointer_t<decltype(std::declval<Container &>().data())>,
              typename = std::enable_if_t<std::is_convertible_v<Item (*)[], T (*)[]>>>
    constexpr Span(Container &&container) noexcept : data_(container.data()), size_(container.size()) {}
    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }

  private:
    T *data_;
    std::size_t size_;
};

inline void init(e2str_model_options *filled) { e2str_model_options_init(filled); }
inline void init(e2str_model_info *filled) { e2str_model_info_init(filled); }
inline void init(e2str_session_options *filled) { e2str_session_options_init(filled); }
inline void init(e2str_image_limits *filled) { e2str_image_limits_init(filled); }
inline void init(e2str_pool_options *filled) { e2str_pool_options_init(filled); }
inline void init(e2str_archive_options *filled) { e2str_archive_options_init(filled); }
inline void init(e2str_learn_options *filled) { e2str_learn_options_init(filled); }
inline void init(e2str_memory_report *filled) { e2str_memory_report_init(filled); }
inline void init(e2str_constraint_options *filled) { e2str_constraint_options_init(filled); }
inline void init(e2str_read_options *filled) { e2str_read_options_init(filled); }

// A structure of options or answers, initialised.
template <typename T> T defaults() {
    T filled;
    init(&filled);
    return filled;
}

// Owns a handle.
template <typename T, void (*release)(T *)> class Owner {
  public:
    T *get() const noexcept { return handle_.get(); }

  protected:
    template <typename Function, typename... Arguments> explicit Owner(Function make, Arguments... arguments) {
        handle_.reset(answer(static_cast<T *>(nullptr), make, arguments...));
    }

  private:
    struct Release {
        void operator()(T *handle) const noexcept { release(handle); }
    };
    std::unique_ptr<T, Release> handle_;
};

class Model : public Owner<e2str_model, e2str_model_close> {
  public:
    explicit Model(const e2str_model_options *options = nullptr) : Model(shipped(), options) {}
    explicit Model(const std::string &path, const e2str_model_options *options = nullptr)
        : Owner(e2str_model_open, path.c_str(), options) {}
    // From memory, which must stay and be aligned to 4 bytes.
    explicit Model(Span<const std::uint8_t> file, const e2str_model_options *options = nullptr)
        : Owner(e2str_model_open_memory, file.data(), file.size(), options) {}
    static std::string shipped() { // its path
        char path[4096];
        call(e2str_default_model_path, path, sizeof path);
        return path;
    }
    e2str_model_info info() const { return answer(defaults<e2str_model_info>(), e2str_model_get_info, get()); }
};

// A picture: decoded, with pixels of its own, or a view of pixels in the caller's memory.
class Image {
  public:
    explicit Image(const std::string &path, const e2str_image_limits *limits = nullptr) {
        call(e2str_image_load, path.c_str(), limits, &image_);
    }
    explicit Image(Span<const std::uint8_t> file, const e2str_image_limits *limits = nullptr) {
        call(e2str_image_load_memory, file.data(), file.size(), limits, &image_);
    }
    // stride: bytes from a row to the next one; 0: rows are packed
    Image(const std::uint8_t *pixels, std::uint32_t width, std::uint32_t height, e2str_format format,
          std::ptrdiff_t stride = 0) {
        image_.pixels = pixels;
        image_.width = width;
        image_.height = height;
        image_.format = format;
        image_.stride = stride ? stride : static_cast<std::ptrdiff_t>(width) * pixel_bytes();
    }
    Image(Image &&other) noexcept : image_(std::exchange(other.image_, {})) {}
    Image &operator=(Image &&other) noexcept { return std::swap(image_, other.image_), *this; }
    ~Image() { e2str_image_free(&image_); }
    // A view of a part, as long as these pixels stay.
    Image crop(std::uint32_t x, std::uint32_t y, std::uint32_t width, std::uint32_t height) const {
        if (!width || !height || std::uint64_t{x} + width > image_.width || std::uint64_t{y} + height > image_.height)
            throw Error(E2STR_ERROR_ARGUMENT, "not a box inside the image");
        const auto before =
            static_cast<std::ptrdiff_t>(y) * image_.stride + static_cast<std::ptrdiff_t>(x) * pixel_bytes();
        Image part(image_.pixels + before, width, height, image_.format, image_.stride);
        part.rotate(image_.rotate).trim(image_.trim);
        return part;
    }
    Image &rotate(std::uint32_t degrees) { return image_.rotate = degrees, *this; } // E2STR_ROTATE_AUTO, too
    Image &trim(e2str_trim trim) { return image_.trim = trim, *this; }
    std::uint32_t width() const noexcept { return image_.width; }
    std::uint32_t height() const noexcept { return image_.height; }
    const e2str_image *get() const noexcept { return &image_; }

  private:
    std::ptrdiff_t pixel_bytes() const noexcept {
        return image_.format == E2STR_GREY ? 1 : image_.format == E2STR_RGBA ? 4 : 3;
    }
    e2str_image image_ = {};
};

struct Character {
    std::string_view text;
    float probability;
    std::size_t index; // for calls of e2str.h
};
struct Alternative {
    std::string_view text; // "": the end
    float probability;
};
struct Example {
    std::uint64_t id;
    float similarity;
};

// What one read found. Text lives until the next read into it, or until it goes.
class Result : public Owner<e2str_result, e2str_result_free> {
  public:
    Result() : Owner(e2str_result_new) {}
    std::string_view text() const { return {e2str_result_text(get()), e2str_result_text_size(get())}; }
    float score() const { return e2str_result_score(get()); }
    float confidence() const { return e2str_result_confidence(get()); }
    float textless() const { return e2str_result_textless(get()); }
    bool rejected() const { return e2str_result_rejected(get()) != 0; }
    int second_look() const { return e2str_result_second_look(get()); }
    bool truncated() const { return e2str_result_truncated(get()) != 0; }
    bool unmatched() const { return e2str_result_unmatched(get()) != 0; }
    e2str_area area() const { return answer(e2str_area{}, e2str_result_area, get()); }
    std::vector<Character> characters() const & {
        std::vector<Character> all;
        for (std::size_t i = 0; i < e2str_result_characters(get()); i++) {
            const auto found = answer(e2str_character{}, e2str_result_character, get(), i);
            all.push_back({text().substr(found.offset, found.length), found.probability, i});
        }
        return all;
    }
    std::vector<Character> characters() const && = delete; // their text would be gone
    // With options.places.
    e2str_box box(std::size_t character) const { return answer(e2str_box{}, e2str_result_box, get(), character); }
    std::vector<Alternative> alternatives(std::size_t character) const { // with options.alternatives
        std::vector<Alternative> all(e2str_result_alternatives(get(), character));
        for (std::size_t rank = 0; rank < all.size(); rank++) {
            const char *text = nullptr;
            call(e2str_result_alternative, get(), character, rank, &text, &all[rank].probability);
            all[rank].text = text;
        }
        return all;
    }
    std::vector<Example> examples() const { // that stood in the prompt
        std::vector<Example> all(e2str_result_examples(get()));
        for (std::size_t i = 0; i < all.size(); i++)
            call(e2str_result_example, get(), i, &all[i].id, &all[i].similarity);
        return all;
    }
};

using PoolOwner = Owner<e2str_pool, e2str_pool_free>;

// One thread's scratch memory. What reads take of a pool may be nullptr: none.
class Session : public Owner<e2str_session, e2str_session_free> {
  public:
    explicit Session(const Model &model, const e2str_session_options *options = nullptr)
        : Owner(e2str_session_new, model.get(), options) {}
    void read(const Image &image, Result &into, const PoolOwner *pool = nullptr,
              const e2str_read_options *options = nullptr) {
        call(e2str_read, get(), image.get(), pool ? pool->get() : nullptr, options, into.get());
    }
    Result read(const Image &image, const PoolOwner *pool = nullptr, const e2str_read_options *options = nullptr) {
        Result result;
        read(image, result, pool, options);
        return result;
    }
    std::vector<Result> read_batch(Span<const Image> images, const PoolOwner *pool = nullptr,
                                   const e2str_read_options *options = nullptr) {
        std::vector<Result> results(images.size());
        std::vector<e2str_image> views;
        std::vector<e2str_result *> handles;
        for (std::size_t i = 0; i < images.size(); i++) views.push_back(*images.data()[i].get());
        for (const Result &result : results) handles.push_back(result.get());
        call(e2str_read_batch, get(), views.data(), views.size(), pool ? pool->get() : nullptr, options,
             handles.data());
        return results;
    }
};

class Pool : public PoolOwner {
  public:
    explicit Pool(const Model &model, const e2str_pool_options *options = nullptr)
        : Owner(e2str_pool_new, model.get(), options) {}
    Pool(const Model &model, const std::string &path, const e2str_pool_options *options = nullptr) // a saved one
        : Owner(e2str_pool_load, model.get(), path.c_str(), options) {}
    std::uint64_t add(Session &session, const Image &image, std::string_view label) {
        return answer(std::uint64_t{0}, e2str_pool_add, get(), session.get(), image.get(), label.data(), label.size());
    }
    void remove(std::uint64_t id) { call(e2str_pool_remove, get(), id); }
    std::size_t size() const { return e2str_pool_count(get()); }
    std::vector<std::uint64_t> ids() const {
        std::vector<std::uint64_t> all(size());
        all.resize(std::min(all.size(), e2str_pool_ids(get(), all.data(), all.size())));
        return all;
    }
    std::string label(std::uint64_t id) const {
        std::size_t size = 0;
        call(e2str_pool_label, get(), id, nullptr, std::size_t{0}, &size);
        std::string label(size + 1, '\0');
        call(e2str_pool_label, get(), id, label.data(), label.size(), nullptr);
        label.pop_back();
        return label;
    }
    void learn(Session &session, const e2str_learn_options *options = nullptr) {
        call(e2str_pool_learn, get(), session.get(), options);
    }
    e2str_memory_report report() const { return answer(defaults<e2str_memory_report>(), e2str_pool_report, get()); }
    void save(const std::string &path) const { call(e2str_pool_save, get(), path.c_str()); }
    void save_archive(const std::string &path) { call(e2str_pool_save_archive, get(), path.c_str(), nullptr); }
    void refresh() { call(e2str_pool_refresh, get()); }
    void verify() const { call(e2str_pool_verify, get()); }
};

// For e2str_read_options.constraint: constraint.get().
class Constraint : public Owner<e2str_constraint, e2str_constraint_free> {
  public:
    explicit Constraint(const e2str_constraint_options &options) : Owner(e2str_constraint_new, &options) {}
    bool matches(std::string_view text) const { return e2str_constraint_matches(get(), text.data(), text.size()) != 0; }
};

} // namespace e2str
#endif
