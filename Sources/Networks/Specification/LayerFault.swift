/// A layer that a configuration describes wrongly: where, and what is wrong.
package struct LayerFault: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Problem: Equatable, Sendable {
    /// A layer or key that there is not; `subject` says which of both.
    case unknown(subject: String, name: String, allowed: [String])
    case misuse(String)
  }

  /// Such as `model.layers[2].convolution`.
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
  /// `model.layers[2].linear`
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
