// SPDX-License-Identifier: MIT
// e2str.hpp: what it owns, throws and lists. Run by test_cpp.sh with a folder to write into.
#include <e2str.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <type_traits>
#if __cplusplus >= 202002L
#include <span>
#endif

namespace {

int failures = 0;

void check(bool good, const char *name) {
    std::printf("%s - %s\n", good ? "ok" : "not ok", name);
    failures += !good;
}

template <typename Call> bool throws(e2str_status status, const char *part, Call call) {
    try {
        call();
    } catch (const e2str::Error &error) {
        return error.status() == status && std::string(error.what()).find(part) != std::string::npos &&
               std::string(error.name()) == e2str_status_name(status);
    }
    return false;
}

std::vector<std::uint8_t> content(const char *path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

template <typename T>
constexpr bool moves_only = std::is_nothrow_move_constructible_v<T> &&std::is_nothrow_move_assignable_v<T> &&
                            !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(moves_only<e2str::Model> && moves_only<e2str::Session> && moves_only<e2str::Pool> &&
              moves_only<e2str::Result> && moves_only<e2str::Constraint> && moves_only<e2str::Image>);

using Bytes = e2str::Span<const std::uint8_t>;
static_assert(std::is_convertible_v<std::vector<std::uint8_t> &, Bytes> &&
              std::is_convertible_v<const std::array<std::uint8_t, 4> &, Bytes> &&
              !std::is_convertible_v<std::string_view, Bytes> && !std::is_convertible_v<std::vector<int> &, Bytes>);

const char *const open_png = "examples/images/open.png", *const exit_jpg = "examples/images/exit.jpg";

void pictures(e2str::Session &session) {
    const e2str::Image page(open_png);
    check(session.read(page).text() == "OPEN", "reads a file");
    const std::vector<std::uint8_t> file = content(open_png);
    check(session.read(e2str::Image(file)).text() == "OPEN", "reads a file in memory");
#if __cplusplus >= 202002L
    check(session.read(e2str::Image(std::span(file))).text() == "OPEN", "reads a std::span");
#endif
    const e2str_image *raw = page.get();
    const e2str::Image view(raw->pixels, page.width(), page.height(), raw->format);
    check(session.read(view).score() == session.read(page).score(), "reads pixels of the caller's");
    const e2str::Image part = page.crop(3, 2, page.width() - 6, page.height() - 4);
    check(part.width() == page.width() - 6 && session.read(part).text() == "OPEN", "reads a part");
    const auto outside = [&] { page.crop(1, 0, page.width(), 1); };
    check(throws(E2STR_ERROR_ARGUMENT, "not a box", outside), "a part that is not inside");
    const auto far_outside = [&] { page.crop(UINT32_MAX, 0, UINT32_MAX, 1); };
    check(throws(E2STR_ERROR_ARGUMENT, "not a box", far_outside), "a part far outside");
    const auto none = [] { e2str::Image image("none.png"); };
    check(throws(E2STR_ERROR_IO, "none.png", none), "a file that is not there");
    const auto text = [] { e2str::Image image(e2str::Span<const std::uint8_t>(nullptr, 0)); };
    check(throws(E2STR_ERROR_ARGUMENT, "", text) || throws(E2STR_ERROR_IMAGE, "", text), "no file at all");

    e2str::Image turned(open_png);
    turned.rotate(180).trim(E2STR_TRIM_NEVER);
    const e2str_area area = session.read(turned).area();
    check(area.rotate == 180 && area.width == page.width(), "a picture's own options");
    e2str::Image other(std::move(turned));
    turned = e2str::Image(exit_jpg);
    check(session.read(turned).text() == "EXIT" && other.get()->rotate == 180, "pictures are moved");
}

void results(e2str::Session &session) {
    auto options = e2str::defaults<e2str_read_options>();
    options.alternatives = 3;
    options.places = 1;
    const e2str::Result result = session.read(e2str::Image(open_png), nullptr, &options);
    std::string text;
    for (const e2str::Character &character : result.characters()) {
        text += character.text;
        const auto others = result.alternatives(character.index);
        const e2str_box box = result.box(character.index);
        if (others.size() != 3 || others[0].text != character.text || box.left >= box.right) text += "?";
    }
    check(text == "OPEN", "characters, alternatives and boxes");
    check(result.score() > 0.9F && result.confidence() > 0.5F && result.textless() < 0.5F, "numbers of a result");
    check(!result.truncated() && !result.rejected() && !result.unmatched(), "flags of a result");
    const auto no_box = [&] { session.read(e2str::Image(open_png)).box(0); };
    check(throws(E2STR_ERROR_NOT_FOUND, "", no_box), "what was not asked for");

    e2str::Result again;
    session.read(e2str::Image(exit_jpg), again);
    check(again.text() == "EXIT", "a result that is there already");
    std::vector<e2str::Image> images;
    images.emplace_back(open_png);
    images.emplace_back(exit_jpg);
    const std::vector<e2str::Result> both = session.read_batch(images);
    check(both[0].text() == "OPEN" && both[1].text() == "EXIT" && both[0].score() == result.score(), "a batch");
    check(session.read_batch(e2str::Span<const e2str::Image>(nullptr, 0)).empty(), "an empty batch");

    auto rules = e2str::defaults<e2str_constraint_options>();
    rules.pattern = "[0-9]{4}";
    const e2str::Constraint digits(rules);
    check(digits.matches("2026") && !digits.matches("OPEN"), "a constraint");
    options.constraint = digits.get();
    check(digits.matches(session.read(e2str::Image("examples/images/2026.png"), nullptr, &options).text()),
          "and what it leaves");
    rules.pattern = "[";
    check(throws(E2STR_ERROR_ARGUMENT, "pattern", [&] { e2str::Constraint constraint(rules); }), "and a wrong one");
}

void pools(const e2str::Model &model, e2str::Session &session, const std::string &folder) {
    e2str::Pool pool(model);
    std::ifstream labels("examples/demo/pool/labels.tsv");
    std::vector<std::uint64_t> ids;
    for (std::string line; std::getline(labels, line);) {
        const std::size_t tab = line.find('\t');
        const e2str::Image image("examples/demo/pool/" + line.substr(0, tab));
        ids.push_back(pool.add(session, image, std::string_view(line).substr(tab + 1)));
    }
    check(pool.size() == 20 && pool.ids() == ids, "examples of a pool");
    check(pool.label(ids[0]).substr(0, 3) == "\xE2\x82\xA9", "and their labels");
    const auto nothing = [&] { (void)pool.report(); };
    check(throws(E2STR_ERROR_NOT_FOUND, "", nothing), "before it has learnt");
    pool.learn(session);
    check(pool.report().new_characters == 1, "and after");
    const e2str::Image query("examples/demo/queries/17-250.jpg");
    check(session.read(query, &pool).text() == "\xE2\x82\xA9"
                                               "17,250",
          "reads with a pool");
    auto options = e2str::defaults<e2str_read_options>();
    options.k = 2;
    const auto examples = session.read(query, &pool, &options).examples();
    check(examples.size() == 2 && examples[0].similarity >= examples[1].similarity, "examples of a prompt");

    const std::string path = folder + "/tags.pool";
    pool.save(path);
    e2str::Pool loaded(model, path);
    check(loaded.size() == 20 && session.read(query, &loaded).text() == session.read(query, &pool).text(),
          "a pool is saved and loaded");
    loaded.remove(ids[0]);
    const auto twice = [&] { loaded.remove(ids[0]); };
    check(loaded.size() == 19 && throws(E2STR_ERROR_NOT_FOUND, "", twice), "an example is removed");
    pool = std::move(loaded);
    check(pool.size() == 19, "pools are moved");
    const auto empty_label = [&] { pool.add(session, query, ""); };
    check(throws(E2STR_ERROR_LABEL, "", empty_label) || throws(E2STR_ERROR_ARGUMENT, "", empty_label), "no label");
}

} // namespace

int main(int, char **arguments) try {
    const e2str::Model model;
    check(model.info().memory == 1 && model.info().parameters > 1000000, "the shipped model");
    const std::vector<std::uint8_t> file = content(e2str::Model::shipped().c_str());
    check(e2str_model_checksum(e2str::Model(file).get()) == e2str_model_checksum(model.get()), "the same from memory");
    check(throws(E2STR_ERROR_IO, "none.gguf", [] { e2str::Model none("none.gguf"); }), "a model that is not there");
    auto options = e2str::defaults<e2str_session_options>();
    options.threads = 2;
    e2str::Session session(model, &options);
    pictures(session);
    results(session);
    pools(model, session, arguments[1]);
    return failures != 0;
} catch (const std::exception &error) {
    std::printf("not ok - %s\n", error.what());
    return 1;
}
