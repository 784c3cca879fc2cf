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

#include <spate/wire/text.hpp>

#include "common/random_hex.hpp"

namespace token_stream {

using nlohmann::json;

/// A request that is refused; `what()` tells the client why, and `field` where.
struct BadRequest : std::runtime_error {
  explicit BadRequest(const std::string& why, std::string at = {}) : std::runtime_error(why), field(std::move(at)) {}
  std::string field;  // empty: of the request as a whole
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

/// What a client sent, for a sentence about it. A list or an object may be long, and deep, and is only called one.
inline std::string named(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return value.empty() ? "an empty array" : "an array";
  return value.is_string() ? spate::quote(value.get_ref<const std::string&>()) : value.dump();
}

[[noreturn]] inline void refuse(const std::string& field, const std::string& wanted, const json* given) {
  const std::string must = field + " must be " + wanted;
  throw BadRequest(given == nullptr ? must + ", and is missing" : must + ", not " + named(*given), field);
}

/// The member `name` of `object`; null when it is absent.
inline const json* member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

/// The same for what is optional: null as well when its value is.
inline const json* optional_member(const json& object, const char* name) {
  const json* const value = member(object, name);
  return value != nullptr && value->is_null() ? nullptr : value;
}

inline bool read_flag(const json& object, const char* name, const std::string& field) {
  const json* const value = optional_member(object, name);
  if (value != nullptr && !value->is_boolean()) refuse(field, "true or false", value);
  return value != nullptr && value->get<bool>();
}

/// The text of a message's `content`, which is at `field`: a string, or an array of parts of which those of text count.
inline std::string read_content(const json& content, const std::string& field) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) refuse(field, "a string or an array of parts", &content);
  std::string text;
  for (std::size_t index = 0; index < content.size(); ++index) {
    const json& part = content[index];
    const std::string at = field + "[" + std::to_string(index) + "]";
    if (!part.is_object()) refuse(at, "an object", &part);
    const json* const type = member(part, "type");
    if (type == nullptr || !type->is_string()) refuse(at + ".type", "a string", type);
    if (*type != "text") continue;
    const json* const words = member(part, "text");
    if (words == nullptr || !words->is_string()) refuse(at + ".text", "a string", words);
    text += words->get<std::string>();
  }
  return text;
}

/// The text of `message`, which is at `field`; empty where it may do without: an assistant that called tools, or
/// refused, need not have said anything.
inline std::string read_message(const json& message, const std::string& field) {
  if (!message.is_object()) refuse(field, "an object", &message);
  const json* const role = member(message, "role");
  if (role != nullptr && !role->is_string()) refuse(field + ".role", "a string", role);
  const json* const content = member(message, "content");
  const bool assistant = role != nullptr && *role == "assistant";
  const bool function = role != nullptr && *role == "function";
  if (content != nullptr && content->is_null() && (assistant || function)) return {};
  if (content == nullptr && assistant) {
    for (const char* const instead : {"tool_calls", "function_call", "refusal", "audio"}) {
      if (optional_member(message, instead) != nullptr) return {};
    }
  }
  if (content == nullptr) refuse(field + ".content", "a string or an array of parts", content);
  return read_content(*content, field + ".content");
}

/// Refuses what no model could make anything of, although this one has no use for it.
inline void check_settings(const json& request) {
  struct Setting {
    const char* name;
    const char* wanted;
    double least, most;
    bool whole;
  };
  constexpr double any = 1e15;
  constexpr Setting settings[] = {
      {"temperature", "a number from 0 to 2", 0, 2, false},
      {"top_p", "a number from 0 to 1", 0, 1, false},
      {"presence_penalty", "a number from -2 to 2", -2, 2, false},
      {"frequency_penalty", "a number from -2 to 2", -2, 2, false},
      {"max_tokens", "a whole number from 1", 1, any, true},
      {"max_completion_tokens", "a whole number from 1", 1, any, true},
      {"n", "1, as there is one answer", 1, 1, true},
  };
  for (const Setting& setting : settings) {
    const json* const value = optional_member(request, setting.name);
    if (value == nullptr) continue;
    const bool kind = setting.whole ? value->is_number_integer() : value->is_number();
    const double number = kind ? value->get<double>() : 0;
    if (!kind || number < setting.least || number > setting.most) refuse(setting.name, setting.wanted, value);
  }
}

/// The JSON of `body`; of what is none it says where it stops being that.
inline json parse(std::string_view body) {
  try {
    return json::parse(body);
  } catch (const json::parse_error& error) {
    const std::size_t at = std::min(error.byte > 0 ? error.byte - 1 : 0, body.size());
    constexpr std::string_view must = "the body must be a JSON object";
    if (body.empty()) throw BadRequest(std::string(must) + ", and is empty");
    throw BadRequest(std::string(must) + ", and is no JSON at byte " + std::to_string(at) + ": " +
                     (at == body.size() ? "it ends there" : spate::quote(body.substr(at))));
  } catch (const json::out_of_range&) {
    throw BadRequest("the body must be a JSON object, and has a number that is too large to be one");
  }
}

/// Throws BadRequest.
inline Question read_question(std::string_view body) {
  const json request = parse(body);
  if (!request.is_object()) throw BadRequest("the body must be a JSON object, not " + named(request));
  Question question;
  const json* const model = member(request, "model");
  if (model == nullptr || !model->is_string()) refuse("model", "a string", model);
  question.model = model->get<std::string>();
  const json* const messages = member(request, "messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    refuse("messages", "an array of at least one message", messages);
  }
  for (std::size_t index = 0; index < messages->size(); ++index) {
    question.last_message = read_message((*messages)[index], "messages[" + std::to_string(index) + "]");
    question.words += words_of(question.last_message).size();
  }
  // Optional fields may be null as well as absent.
  question.stream = read_flag(request, "stream", "stream");
  if (const json* const options = optional_member(request, "stream_options")) {
    if (!options->is_object()) refuse("stream_options", "an object", options);
    question.include_usage = read_flag(*options, "include_usage", "stream_options.include_usage");
  }
  check_settings(request);
  return question;
}

/// `{"error":{"message":…}}`, as an answer or as an event.
/// `field` is the one at fault; empty: none is.
inline std::string error_json(std::string_view message, std::string_view type, std::string_view field = {}) {
  json error{{"message", message}, {"type", type}, {"param", nullptr}, {"code", nullptr}};
  if (!field.empty()) error["param"] = field;
  return json{{"error", std::move(error)}}.dump();
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
    return chunk_with(std::move(delta));
  }

  /// The first chunk of an answer without words: clients put an answer together only when they know who speaks.
  std::string opening_chunk() const { return chunk_with(json{{"role", "assistant"}, {"content", ""}}); }

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

  std::string chunk_with(json delta) const {
    return chunk_with(
        json::array({{{"index", 0}, {"delta", std::move(delta)}, {"logprobs", nullptr}, {"finish_reason", nullptr}}}),
        nullptr);
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
