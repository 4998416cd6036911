// Feeds every file of the given corpus folders to a fuzz target once, in builds without libFuzzer.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include <fmt/format.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

// A copy of the file's very size, so that a sanitizer sees a read past its end.
std::vector<std::uint8_t> contents_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::vector<std::uint8_t> contents{std::istreambuf_iterator<char>(stream), {}};
    contents.shrink_to_fit();
    return contents;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t replayed = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& file : files_of(argv[i])) {
            // The last name printed is the one that crashed.
            fmt::print("{}\n", file.string());
            std::fflush(stdout);
            const std::vector<std::uint8_t> contents = contents_of(file);
            LLVMFuzzerTestOneInput(contents.data(), contents.size());
            ++replayed;
        }
    }
    fmt::print("{} inputs replayed\n", replayed);
    if (replayed == 0) fmt::print(stderr, "there is no input to replay in the folders given\n");
    return replayed == 0 ? 1 : 0;
}
