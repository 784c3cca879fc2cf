// The JSON of chat completions, in the shape that OpenAI's clients expect.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/random_hex.hpp"

namespace token_stream {

using nlohmann::json;

/// A request that is refused; `what()` tells the client why.
struct BadRequest : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The words of `text`, each with the blanks in front of it, so that all of them together are the text.
inline std::vector<std::string> words_of(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  std::vector<std::string> words;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t word = std::min(text.find_first_not_of(blanks, from), text.size());
    const std::size_t end = std::min(text.find_first_of(blanks, word), text.size());
    words.emplace_back(text.substr(from, end - from));
    from = end;
  }
  return words;
}

/// What a client asks for.
struct Question {
  std::string model;
  std::string last_message;
  std::size_t words = 0;  // of all messages
  bool stream = false;
  bool include_usage = false;
};

/// The text of a message: a string, or a list of parts of which those of text count.
inline std::string text_of(const json& message) {
  const json& content = message.at("content");
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  for (const json& part : content) {
    if (part.at("type") == "text") text += part.at("text").get<std::string>();
  }
  return text;
}

/// Throws BadRequest.
inline Question read_question(std::string_view body) {
  const json request = json::parse(body, nullptr, false);
  if (!request.is_object()) throw BadRequest("the body is not a JSON object");
  Question question;
  try {
    question.model = request.at("model").get<std::string>();
    for (const json& message : request.at("messages")) {
      question.last_message = text_of(message);
      question.words += words_of(question.last_message).size();
    }
    if (request.at("messages").empty()) throw BadRequest("there are no messages");
    // Optional fields may be null as well as absent.
    const auto flag = [](const json& object, const char* name) {
      const auto found = object.find(name);
      return found != object.end() && !found->is_null() && found->get<bool>();
    };
    question.stream = flag(request, "stream");
    if (const auto options = request.find("stream_options"); options != request.end() && options->is_object()) {
      question.include_usage = flag(*options, "include_usage");
    }
  } catch (const json::exception& error) {
    throw BadRequest(error.what());
  }
  return question;
}

/// `{"error":{"message":…}}`, as an answer or as an event.
inline std::string error_json(std::string_view message, std::string_view type) {
  return json{{"error", {{"message", message}, {"type", type}, {"param", nullptr}, {"code", nullptr}}}}.dump();
}

/// The answer to one question, whole or in chunks.
class Answer {
 public:
  explicit Answer(Question question)
      : question_(std::move(question)),
        id_("chatcmpl-" + examples::random_hex(12)),
        created_(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                     .count()) {}

  const Question& question() const noexcept { return question_; }

  /// The next word. The first chunk says who speaks.
  std::string chunk(std::string_view word) {
    json delta{{"content", word}};
    if (spoken_++ == 0) delta["role"] = "assistant";
    return chunk_with(
        json::array({{{"index", 0}, {"delta", delta}, {"logprobs", nullptr}, {"finish_reason", nullptr}}}), nullptr);
  }

  /// The last chunk that has a choice.
  std::string last_chunk() const {
    return chunk_with(
        json::array({{{"index", 0}, {"delta", json::object()}, {"logprobs", nullptr}, {"finish_reason", "stop"}}}),
        nullptr);
  }

  std::string usage_chunk() const { return chunk_with(json::array(), usage()); }

  /// The whole answer in one piece, `words` of them.
  std::string whole(const std::string& text, std::size_t words) {
    spoken_ = words;
    const json message{{"role", "assistant"}, {"content", text}, {"refusal", nullptr}};
    json answer = head("chat.completion");
    answer["choices"] =
        json::array({{{"index", 0}, {"message", message}, {"logprobs", nullptr}, {"finish_reason", "stop"}}});
    answer["usage"] = usage();
    return answer.dump();
  }

 private:
  json head(const char* object) const {
    return json{{"id", id_}, {"object", object}, {"created", created_}, {"model", question_.model}};
  }

  std::string chunk_with(json choices, json used) const {
    json chunk = head("chat.completion.chunk");
    chunk["choices"] = std::move(choices);
    if (question_.include_usage) chunk["usage"] = std::move(used);  // null until the last
    return chunk.dump();
  }

  json usage() const {
    return json{{"prompt_tokens", question_.words},
                {"completion_tokens", spoken_},
                {"total_tokens", question_.words + spoken_}};
  }

  const Question question_;
  const std::string id_;
  const std::int64_t created_;
  std::size_t spoken_ = 0;
};

}  // namespace token_stream
