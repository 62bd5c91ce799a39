// What an OCR pipeline does with libe2str: crops of one frame, given as views into its pixels, read by several threads
// that share a model and a pool. Usage: pipeline MODEL PAGE.png THREADS X,Y,WIDTH,HEIGHT...
//
// SPDX-License-Identifier: MIT
#include <e2str.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Word {
    std::string text;
    float score = 0;
};

// A view into the page: no copy.
e2str::Image crop(const e2str::Image &page, const char *box) {
    unsigned x, y, width, height;
    if (std::sscanf(box, "%u,%u,%u,%u", &x, &y, &width, &height) != 4)
        throw std::runtime_error(std::string("not a box: ") + box);
    return page.crop(x, y, width, height);
}

// One thread: its own session and result; the next crop that nobody has taken.
void read_crops(const e2str::Model &model, const e2str::Pool &pool, const std::vector<e2str::Image> &crops,
                std::atomic<std::size_t> &next, std::vector<Word> &words, std::exception_ptr &failure) {
    try {
        e2str::Session session(model);
        e2str::Result result;
        for (std::size_t i; (i = next++) < crops.size();) {
            session.read(crops[i], result, &pool);
            words[i] = {std::string(result.text()), result.score()};
        }
    } catch (...) {
        failure = std::current_exception();
    }
}

void run(int count, char **arguments) {
    const e2str::Model model(arguments[1]);
    const e2str::Pool pool(model);
    const e2str::Image page(arguments[2]);

    std::vector<e2str::Image> crops;
    for (int i = 4; i < count; i++) crops.push_back(crop(page, arguments[i]));
    std::vector<Word> words(crops.size());
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(std::max(1, std::atoi(arguments[3]))));
    std::vector<std::thread> threads;
    std::atomic<std::size_t> next(0);
    for (std::exception_ptr &failure : failures)
        threads.emplace_back([&] { read_crops(model, pool, crops, next, words, failure); });
    for (std::thread &thread : threads) thread.join();
    for (const std::exception_ptr &failure : failures)
        if (failure) std::rethrow_exception(failure);
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
