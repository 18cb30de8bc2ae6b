import Yams

extension Configuration {
  /// Every setting by its whole key, with its value on one line.
  package var leaves: [(key: String, value: String)] {
    do {
      return try Yams.compose(yaml: yaml)?.leaves() ?? []
    } catch {
      preconditionFailure("the configuration is no YAML: \(error)")
    }
  }
}

extension Node {
  /// What a mapping of mappings has at its ends: whole keys, joined by dots, with values on one line.
  func leaves(below path: String = "") -> [(key: String, value: String)] {
    guard case .mapping(let mapping) = self else { return [(path, line)] }
    return mapping.flatMap { key, value in
      value.leaves(below: (path.isEmpty ? "" : path + ".") + (key.scalar?.string ?? ""))
    }
  }

  private var line: String {
    switch self {
    case .scalar(let scalar): scalar.string
    case .sequence(let sequence): "[" + sequence.map(\.line).joined(separator: ", ") + "]"
    case .mapping(let mapping): "{" + mapping.map { "\($0.line): \($1.line)" }.joined(separator: ", ") + "}"
    case .alias: "*"
    }
  }
}
