import Foundation
import GaussNewton
import Networks
import Yams

extension Configuration {
  /// Reads a YAML (or JSON) file, applies `key.path=value` overrides in order, and then those that a search tries, and checks
  /// every value.
  ///
  /// The document is laid over the defaults, written out in full: a key that they do not have is unknown. Throws
  /// `ConfigurationError`: 66 if the file cannot be read, otherwise 64. An initialization `auto` is resolved.
  package static func load(path: String, overrides: [String] = [], tried: [String] = []) throws -> Configuration {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      let reason = String(cString: strerror(errno))
      throw ConfigurationError(source: path, "cannot be read (\(reason)); check the path", exitCode: 66)
    }
    guard let text = String(bytes: bytes, encoding: .utf8) else {
      throw ConfigurationError(source: path, "is not UTF-8 text; save it as YAML in UTF-8")
    }
    var configuration = try parse(text, source: path, overrides: overrides, tried: tried)
    configuration.model.initialization = configuration.model.resolvedInitialization
    return configuration
  }

  /// The configuration of a document's text; `source` names it in errors. What is null, in the document or by an override,
  /// has its default.
  package static func parse(
    _ text: String, source: String, overrides: [String] = [], tried: [String] = []
  ) throws -> Configuration {
    let defaults = try defaultTree()
    var tree = defaults
    if let document = try compose(text, source: source) {
      tree = try overlay(tree, document, defaults, source: source, path: [])
    }
    for (option, override) in overrides.map({ ("--set", $0) }) + tried.map({ ("--over", $0) }) {
      let source = "\(option) \(override)"
      guard let assignment = Assignment(override) else {
        throw ConfigurationError(source: source, "is not KEY=VALUE, such as optimizer.batch_size=256")
      }
      // The value is YAML of its own: a number, a word, or a list in brackets.
      let value = try compose(assignment.value, source: source) ?? Node("null", Tag(.null), .plain)
      let document = assignment.key.split(separator: ".", omittingEmptySubsequences: false).reversed()
        .reduce(value) { Node([(Node(String($1)), $0)]) }
      tree = try overlay(tree, document, defaults, source: source, path: [])
    }
    return try decode(tree, source: source).resolved(source: source)
  }

  /// The complete configuration as YAML; `parse` gives the same configuration back.
  package var yaml: String { yaml(userInfo: [:]) }

  private func yaml(userInfo: [CodingUserInfoKey: any Sendable]) -> String {
    do {
      let text = try YAMLEncoder().encode(self, userInfo: userInfo)
      // Yams keeps 16 digits of a number and writes 0.3 as 3e-1; JSON, which is YAML too, has all digits.
      let encoder = JSONEncoder()
      encoder.userInfo = userInfo
      let json = String(decoding: try encoder.encode(self), as: UTF8.self)
      guard let tree = try Yams.compose(yaml: text), let exact = try? Yams.compose(yaml: json) else { return text }
      return try Yams.serialize(node: Self.withNumbers(of: exact, in: tree), allowUnicode: true)
    } catch {
      preconditionFailure("the configuration cannot be written as YAML: \(error)")
    }
  }

  /// `tree` with the text of each floating-point number as in `exact`.
  private static func withNumbers(of exact: Node, in tree: Node) -> Node {
    switch (tree, exact) {
    case (.mapping(var mapping), .mapping(let numbers)):
      for (key, value) in mapping { mapping[key] = withNumbers(of: numbers[key] ?? value, in: value) }
      return .mapping(mapping)
    case (.sequence(var sequence), .sequence(let numbers)) where sequence.count == numbers.count:
      for (index, value) in sequence.enumerated() { sequence[index] = withNumbers(of: numbers[index], in: value) }
      return .sequence(sequence)
    case (.scalar, .scalar(let number)) where tree.tag == Tag(.float):
      return Node(number.string)
    default:
      return tree
    }
  }

  /// The configuration that was saved as this JSON, which is YAML too. Settings that its sections do not have are younger than
  /// it, and have their defaults. Throws if a section is missing or a value has another type.
  static func saved(_ json: String) throws -> Configuration {
    guard let defaults = try Yams.compose(yaml: Configuration().yaml), let document = try Yams.compose(yaml: json)
    else {
      throw ConfigurationError("the saved configuration is empty")
    }
    if let missing = defaults.mapping?.keys.first(where: { document.mapping?[$0] == nil })?.string {
      throw ConfigurationError("the section \(missing) is missing")
    }
    return try YAMLDecoder().decode(Configuration.self, from: laid(document, over: defaults))
  }

  private static func laid(_ document: Node, over defaults: Node) -> Node {
    guard case .mapping(var result) = defaults, case .mapping(let given) = document else { return document }
    for (key, value) in given { result[key] = result[key].map { laid(value, over: $0) } ?? value }
    return .mapping(result)
  }

  /// The defaults written out in full, and null for what is automatic.
  static func defaultTree() throws -> Node {
    guard let tree = try Yams.compose(yaml: Configuration().yaml(userInfo: [.opensSettings: true])) else {
      preconditionFailure("the default configuration is empty")
    }
    return tree
  }

  private static func compose(_ text: String, source: String) throws -> Node? {
    do {
      return try Yams.compose(yaml: text)
    } catch {
      throw ConfigurationError(source: source, "is not valid YAML: \(summary(of: error))")
    }
  }

  /// `tree` with the values of `document` in their places, and those of `defaults` where it has null. A word for a section
  /// is its `kind`.
  private static func overlay(
    _ tree: Node, _ document: Node, _ defaults: Node, source: String, path: [String]
  ) throws -> Node {
    let key = path.joined(separator: ".")
    if document.tag == Tag(.null) { return defaults }
    guard case .mapping(var result) = tree else { return document }
    guard case .mapping(let given) = document else {
      if document.scalar?.string.isEmpty == true { return defaults }
      // A section that has a kind takes its word alone.
      if document.scalar != nil, result["kind"] != nil {
        return try overlay(tree, Node([(Node("kind"), document)]), defaults, source: source, path: path)
      }
      throw ConfigurationError(
        source: source, key: key, "is a section with keys \(keys(of: result)), not a single value")
    }
    for (name, value) in given {
      let name = name.scalar?.string ?? "\(name)"
      let path = path + [name]
      guard let old = result[Node(name)], let standard = defaults[name] else {
        let line = value.mark.map { source.hasPrefix("--") ? "" : " (line \($0.line))" } ?? ""
        let meant = try KeyHints().meant(by: path)
        throw ConfigurationError(
          source: source, key: path.joined(separator: "."),
          "unknown key\(line); \(meant.map { "did you mean \($0)? " } ?? "")allowed: \(keys(of: result))")
      }
      result[Node(name)] = try overlay(old, value, standard, source: source, path: path)
    }
    return .mapping(result)
  }

  private static func keys(of mapping: Node.Mapping) -> String {
    mapping.keys.compactMap { $0.scalar?.string }.joined(separator: ", ")
  }

  private static func decode(_ tree: Node, source: String) throws -> Configuration {
    do {
      return try YAMLDecoder().decode(Configuration.self, from: tree, userInfo: [.opensSettings: true])
    } catch let error as DecodingError {
      let (context, problem) = describe(error)
      let node = context.codingPath.reduce(Optional(tree)) { node, key in
        key.intValue.map { node?[$0] } ?? node?[key.stringValue]
      }
      let found = node?.scalar.map { "'\($0.string)'" } ?? (node?.sequence == nil ? "a section" : "a list")
      throw ConfigurationError(
        source: source, key: context.codingPath.keyPath,
        "\(found) is not allowed; \(expectation(at: context.codingPath) ?? problem)")
    } catch let fault as LayerFault {
      switch fault.problem {
      case .misuse(let problem):
        throw ConfigurationError(source: source, key: fault.key, problem)
      case .unknown(let subject, let name, let allowed):
        throw ConfigurationError(
          source: source, key: fault.key,
          "unknown \(subject); did you mean \(nearest(to: name, among: allowed)?.word ?? "")? "
            + "allowed: \(allowed.joined(separator: ", "))")
      }
    } catch {
      throw ConfigurationError(source: source, "is not a configuration: \(summary(of: error))")
    }
  }

  private static func describe(_ error: DecodingError) -> (DecodingError.Context, String) {
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context): (context, "it must be of another kind")
    case .dataCorrupted(let context): (context, context.debugDescription)
    case .keyNotFound(let key, let context): (context, "\(key.stringValue) is missing")
    @unknown default: (.init(codingPath: [], debugDescription: ""), "\(error)")
    }
  }
}

/// What a YAML error says, on one line: the parser's own text repeats the document below its first line.
private func summary(of error: any Error) -> String {
  let lines = "\(error)".split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
  return lines.filter { !$0.isEmpty && $0 != "^" }.joined(separator: " ")
}
