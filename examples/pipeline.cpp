// What an OCR pipeline does with libe2str: crops of one frame, given as views into its pixels, read by several threads
// that share a model and a pool. Usage: pipeline MODEL PAGE.png THREADS X,Y,WIDTH,HEIGHT...
//
// SPDX-License-Identifier: MIT
#include <e2str.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

void check(e2str_status status, const e2str_error &error) {
    if (status) throw std::runtime_error(std::string(e2str_status_name(status)) + ": " + error.message);
}

// Owners for the C handles: std::unique_ptr with the library's own functions.
template <typename T, void (*release)(T *)> struct Release {
    void operator()(T *handle) const { release(handle); }
};
using Model = std::unique_ptr<e2str_model, Release<e2str_model, e2str_model_close>>;
using Session = std::unique_ptr<e2str_session, Release<e2str_session, e2str_session_free>>;
using Result = std::unique_ptr<e2str_result, Release<e2str_result, e2str_result_free>>;
using Pool = std::unique_ptr<e2str_pool, Release<e2str_pool, e2str_pool_free>>;
using Image = std::unique_ptr<e2str_image, Release<e2str_image, e2str_image_free>>;

struct Word {
    std::string text;
    float score = 0;
};

// A view into the page: no copy, only a pointer to the crop's first pixel and the page's stride.
e2str_image crop(const e2str_image &page, const char *box) {
    unsigned x, y, width, height;
    if (std::sscanf(box, "%u,%u,%u,%u", &x, &y, &width, &height) != 4 || !width || !height || x >= page.width ||
        y >= page.height || width > page.width - x || height > page.height - y)
        throw std::runtime_error(std::string("not a box inside the page: ") + box);
    const unsigned bytes = page.format == E2STR_GREY ? 1 : page.format == E2STR_RGBA ? 4 : 3;
    e2str_image view = page;
    view.pixels += static_cast<std::ptrdiff_t>(y) * page.stride + static_cast<std::ptrdiff_t>(x) * bytes;
    view.width = width;
    view.height = height;
    view.owned = nullptr;
    return view;
}

// One thread: its own session and result; the next crop that nobody has taken.
void read_crops(const e2str_model *model, const e2str_pool *pool, const std::vector<e2str_image> &crops,
                std::atomic<std::size_t> &next, std::vector<Word> &words, std::string &failure) {
    try {
        e2str_error error = {};
        e2str_session *session = nullptr;
        e2str_result *result = nullptr;
        check(e2str_session_new(model, NULL, &session, &error), error);
        Session own_session(session);
        check(e2str_result_new(&result, &error), error);
        Result own_result(result);
        for (std::size_t i; (i = next++) < crops.size();) {
            check(e2str_read(session, &crops[i], pool, nullptr, result, &error), error);
            words[i].text = e2str_result_text(result);
            words[i].score = e2str_result_score(result);
        }
    } catch (const std::exception &exception) {
        failure = exception.what();
    }
}

void run(int count, char **arguments) {
    e2str_error error = {};
    e2str_model *model = nullptr;
    e2str_pool *pool = nullptr;
    check(e2str_model_open(arguments[1], nullptr, &model, &error), error);
    Model own_model(model);
    check(e2str_pool_new(model, nullptr, &pool, &error), error);
    Pool own_pool(pool);
    e2str_image page = {};
    check(e2str_image_load(arguments[2], nullptr, &page, &error), error);
    Image own_page(&page); // frees the pixels; the structure itself is on the stack

    std::vector<e2str_image> crops;
    for (int i = 4; i < count; i++) crops.push_back(crop(page, arguments[i]));
    std::vector<Word> words(crops.size());
    std::vector<std::string> failures(static_cast<std::size_t>(std::max(1, std::atoi(arguments[3]))));
    std::vector<std::thread> threads;
    std::atomic<std::size_t> next(0);
    for (std::string &failure : failures)
        threads.emplace_back([&] { read_crops(model, pool, crops, next, words, failure); });
    for (std::thread &thread : threads) thread.join();
    for (const std::string &failure : failures)
        if (!failure.empty()) throw std::runtime_error(failure);
    for (std::size_t i = 0; i < words.size(); i++)
        std::printf("%s\t%s\t%.3f\n", arguments[4 + i], words[i].text.c_str(), static_cast<double>(words[i].score));
}

} // namespace

int main(int count, char **arguments) {
    if (count < 5) {
        std::fprintf(stderr, "usage: pipeline MODEL PAGE.png THREADS X,Y,WIDTH,HEIGHT...\n");
        return 2;
    }
    try {
        run(count, arguments);
        return 0;
    } catch (const std::exception &exception) {
        std::fprintf(stderr, "pipeline: %s\n", exception.what());
        return 1;
    }
}
