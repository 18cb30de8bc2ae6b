import LinearAlgebra

/// Coded as a word, such as `relu`, or as a mapping with one key, such as `linear: 128`. Throws `LayerFault`.
extension LayerSpecification: Codable {
  private typealias Container = KeyedDecodingContainer<Name>

  /// Any key.
  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
    init(_ word: Word) { stringValue = word.rawValue }
  }

  public init(from decoder: any Decoder) throws {
    let path = decoder.codingPath
    if let word = try? decoder.singleValueContainer().decode(String.self) {
      self = try Self.layer(word: word, path)
      return
    }
    guard let container = try? decoder.container(keyedBy: Name.self), container.allKeys.count == 1 else {
      throw LayerFault(
        path.keyPath, "a layer is one word, such as relu, or one key with its settings, such as linear: 128")
    }
    self = try Self.layer(container.allKeys[0], in: container)
  }

  /// The layer that a single word stands for.
  private static func layer(word: String, _ path: [any CodingKey]) throws -> LayerSpecification {
    if let function = ActivationFunction(rawValue: word) { return .activation(function) }
    switch Word(rawValue: word) {
    case .globalAveragePool: return .globalAveragePool
    case .flatten: return .flatten
    case .layerNorm: return .layerNorm
    case .linear: throw LayerFault(path.keyPath, "linear lacks its number of units; write linear: 128")
    case .convolution:
      throw LayerFault(path.keyPath, "convolution lacks its settings; write convolution: {channels: 16, kernel: 3}")
    case .maxPool, .averagePool: throw LayerFault(path.keyPath, "\(word) lacks its window; write \(word): 2")
    case .residual: throw LayerFault(path.keyPath, "residual lacks its layers; write residual: [{linear: 128}, tanh]")
    case nil: throw LayerFault(path.keyPath, .unknown(subject: "layer '\(word)'", name: word, allowed: words))
    }
  }

  private static func layer(_ name: Name, in container: Container) throws -> LayerSpecification {
    let path = container.codingPath
    switch Word(rawValue: name.stringValue) {
    case .linear: return .linear(try size(name, in: container))
    case .convolution:
      let settings = try settings(["channels", "kernel", "stride", "padding"], of: name, in: container)
      return .convolution(
        Kernel(
          channels: try size(Name(stringValue: "channels"), in: settings),
          kernel: try size(Name(stringValue: "kernel"), in: settings, Self.windows),
          stride: try size(Name(stringValue: "stride"), in: settings, Self.windows, otherwise: 1),
          padding: try size(Name(stringValue: "padding"), in: settings, 0...Self.windows.upperBound, otherwise: 0)))
    case .maxPool: return .maxPool(try pool(name, in: container))
    case .averagePool: return .averagePool(try pool(name, in: container))
    case .residual:
      guard (try? container.nestedUnkeyedContainer(forKey: name)) != nil else {
        throw LayerFault((path + [name]).keyPath, "it must be a list of layers, such as [{linear: 128}, tanh]")
      }
      let layers = try container.decode([LayerSpecification].self, forKey: name)
      guard !layers.isEmpty else { throw LayerFault((path + [name]).keyPath, "it must have at least one layer") }
      return .residual(layers)
    case .globalAveragePool, .flatten, .layerNorm:
      throw LayerFault(path.keyPath, "\(name.stringValue) has no settings; write the word alone")
    case nil where ActivationFunction(rawValue: name.stringValue) != nil:
      throw LayerFault(path.keyPath, "\(name.stringValue) has no settings; write the word alone")
    case nil:
      throw LayerFault(
        path.keyPath,
        .unknown(subject: "layer '\(name.stringValue)'", name: name.stringValue, allowed: Self.words))
    }
  }

  /// A pool from a number for the kernel alone, or from all settings.
  private static func pool(_ name: Name, in container: Container) throws -> Pool {
    guard (try? container.nestedContainer(keyedBy: Name.self, forKey: name)) != nil else {
      return Pool(kernel: try size(name, in: container, Self.windows))
    }
    let settings = try settings(["kernel", "stride", "padding"], of: name, in: container)
    let kernel = try size(Name(stringValue: "kernel"), in: settings, Self.windows)
    return Pool(
      kernel: kernel, stride: try size(Name(stringValue: "stride"), in: settings, Self.windows, otherwise: kernel),
      // More padding would put whole windows into it.
      padding: try size(Name(stringValue: "padding"), in: settings, 0...kernel / 2, otherwise: 0))
  }

  /// The settings under `name`, which must have allowed keys only.
  private static func settings(_ allowed: [String], of name: Name, in container: Container) throws -> Container {
    let path = (container.codingPath + [name]).keyPath
    guard let settings = try? container.nestedContainer(keyedBy: Name.self, forKey: name) else {
      throw LayerFault(path, "it must be a section with keys \(allowed.joined(separator: ", "))")
    }
    for key in settings.allKeys where !allowed.contains(key.stringValue) {
      throw LayerFault(
        "\(path).\(key.stringValue)", .unknown(subject: "key", name: key.stringValue, allowed: allowed))
    }
    return settings
  }

  /// Units or channels of a layer, few enough that products of sizes do not overflow.
  private static let sizes = 1...1_000_000
  private static let windows = 1...1000

  private static func size(
    _ name: Name, in container: Container, _ range: ClosedRange<Int> = sizes, otherwise missing: Int? = nil
  ) throws -> Int {
    let path = (container.codingPath + [name]).keyPath
    guard container.contains(name) else {
      if let missing { return missing }
      throw LayerFault(path, "is missing; it must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    guard let number = try? container.decode(Int.self, forKey: name), range.contains(number) else {
      let found = (try? container.decode(String.self, forKey: name)).map { "'\($0)'" } ?? "a list or section"
      throw LayerFault(
        path, "\(found) is not allowed; it must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .globalAveragePool, .flatten, .activation, .layerNorm:
      var container = encoder.singleValueContainer()
      try container.encode(word)
    case .linear(let outputs):
      var container = encoder.container(keyedBy: Name.self)
      try container.encode(outputs, forKey: Name(.linear))
    case .convolution(let window):
      try encode(
        [
          ("channels", window.channels), ("kernel", window.kernel), ("stride", window.stride),
          ("padding", window.padding),
        ], to: encoder)
    case .maxPool(let window), .averagePool(let window):
      try encode([("kernel", window.kernel), ("stride", window.stride), ("padding", window.padding)], to: encoder)
    case .residual(let layers):
      var container = encoder.container(keyedBy: Name.self)
      try container.encode(layers, forKey: Name(.residual))
    }
  }

  private func encode(_ settings: [(key: String, value: Int)], to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Name.self)
    var nested = container.nestedContainer(keyedBy: Name.self, forKey: Name(stringValue: word))
    for (key, value) in settings { try nested.encode(value, forKey: Name(stringValue: key)) }
  }
}
