/// A layer that a configuration describes wrongly: its key, and the problem.
package struct LayerFault: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Problem: Equatable, Sendable {
    /// An unknown layer or key; `subject` says which of the two.
    case unknown(subject: String, name: String, allowed: [String])
    case misuse(String)
  }

  /// The key, such as `model.layers[2].convolution`.
  package let key: String
  package let problem: Problem

  package var description: String {
    switch problem {
    case .unknown(let subject, _, let allowed):
      "\(key): unknown \(subject); allowed: \(allowed.joined(separator: ", "))"
    case .misuse(let text): "\(key): \(text)"
    }
  }
}

extension [any CodingKey] {
  /// The path of keys in words, such as `model.layers[2].linear`.
  package var keyPath: String {
    reduce("") { path, key in
      key.intValue.map { "\(path)[\($0)]" } ?? (path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)")
    }
  }
}

extension LayerFault {
  init(_ key: String, _ problem: Problem) {
    self.init(key: key, problem: problem)
  }

  init(_ key: String, _ text: String) {
    self.init(key: key, problem: .misuse(text))
  }
}
