import LinearAlgebra

extension Network {
  /// The network of `layers` and a linear head into `classes`, for examples with the axes `example`.
  ///
  /// The example is an image if the first layer that distinguishes the two is a convolution or a pool: its axes are
  /// then [height, width] or [channels, height, width], with `channels` last [height, width, channels]. Layers are
  /// numbered as in `torch.nn.Sequential`, the head last. Without `bias` the head has weights alone. With `sparseInputs`
  /// the first layer is a `SparseLinear`.
  /// Throws for the first layer that does not fit.
  public init(
    _ layers: [LayerSpecification], example: [Int], channels: ChannelOrder = .first, classes: Int,
    bias: Bool = true, sparseInputs: Bool = false
  ) throws(ShapeError) {
    var builder = try Builder(layers, example: example, channels: channels)
    builder.takesSparseInputs = sparseInputs
    let reorderings = builder.layers.count
    try builder.append(layers, path: "model.layers")
    guard case .flat(let inputs) = builder.shape else {
      throw ShapeError(
        key: "model.layers",
        problem: "the last layer gives \(builder.shape), and the classes take flat features; "
          + "add flatten or global_average_pool at the end")
    }
    try builder.addHead(inputs: inputs, classes: classes, hasBias: bias)
    self.init(Stack(builder.layers, unnumbered: reorderings), example: example, outline: builder.outline)
  }
}

/// The layers so far, and the shape of their output.
private struct Builder {
  private(set) var layers: [any Layer] = []
  private(set) var outline: [String] = []
  private(set) var shape: FeatureShape
  /// The layer that produces this shape; nil for the shape of an example.
  private var previous: String?
  /// Whether the features of examples are sparse.
  var takesSparseInputs = false

  /// The largest extent of a matrix that BLAS can address.
  private static let limit = Int(Int32.max)

  init(_ specifications: [LayerSpecification], example: [Int], channels: ChannelOrder) throws(ShapeError) {
    guard let count = example.elementCount, count <= Self.limit else {
      throw ShapeError(
        key: "model.input_shape",
        problem: "\(example) is no example of at most \(Self.limit) numbers; use a smaller one"
      )
    }
    shape = .flat(count)
    guard specifications.takeImages, let first = specifications.firstIndex(where: { $0.takesImage != nil }) else {
      return
    }
    guard (2...3).contains(example.count) else {
      throw ShapeError(
        key: "model.layers[\(first)]",
        problem: "\(specifications[first].word) takes an image, and an example has "
          + (example.count == 1 ? "\(count) flat features" : "the extents \(example)")
          + "; set model.input_shape, such as [28, 28] or "
          + (channels == .first ? "[channels, height, width]" : "[height, width, channels]"))
    }
    guard example.count == 3 else {
      shape = .image(ImageShape(channels: 1, height: example[0], width: example[1]))
      return
    }
    switch channels {
    case .first:
      shape = .image(ImageShape(channels: example[0], height: example[1], width: example[2]))
    case .last:
      let image = ImageShape(channels: example[2], height: example[0], width: example[1])
      shape = .image(image)
      // With one channel, both orders are the same.
      if image.channels > 1 { layers.append(ChannelsFirst(image)) }
    }
  }

  /// A builder for the layers within a residual block.
  private init(inside outer: Builder) {
    shape = outer.shape
    previous = outer.previous
  }

  mutating func append(_ specifications: [LayerSpecification], path: String) throws(ShapeError) {
    for (index, specification) in specifications.enumerated() {
      try append(specification, key: "\(path)[\(index)]")
      previous = specification.word
    }
  }

  mutating func add(_ layer: any Layer, giving shape: FeatureShape, as text: String) {
    layers.append(layer)
    outline.append(text)
    self.shape = shape
  }

  private mutating func addLinear(inputs: Int, outputs: Int, hasBias: Bool = true) {
    let layer: any Layer =
      takesSparseInputs && layers.isEmpty
      ? SparseLinear(inputs: inputs, outputs: outputs, hasBias: hasBias)
      : Linear(inputs: inputs, outputs: outputs, hasBias: hasBias)
    add(layer, giving: .flat(outputs), as: "linear \(outputs)" + (hasBias ? "" : " without bias"))
  }

  private mutating func append(_ specification: LayerSpecification, key: String) throws(ShapeError) {
    let word = specification.word
    if takesSparseInputs, layers.isEmpty {
      guard case .linear = specification else {
        throw ShapeError(key: key, problem: "\(word) takes no sparse features; put a linear layer first")
      }
    }
    switch specification {
    case .linear(let outputs):
      guard case .flat(let inputs) = shape else {
        throw ShapeError(
          key: key, problem: "linear takes flat features, and \(source) gives \(shape); put flatten before it")
      }
      try check(key, parameters: (inputs + 1) * outputs)
      addLinear(inputs: inputs, outputs: outputs)
    case .convolution(let window):
      let input = try image(for: word, key)
      try check(key, parameters: (input.channels * window.kernel * window.kernel + 1) * window.channels)
      let layer = try fit(
        Convolution(
          input, channels: window.channels, kernel: window.kernel, stride: window.stride, padding: window.padding),
        word, key, kernel: window.kernel, padding: window.padding)
      try check(key, "gives", layer.output, below: Self.limit)
      add(layer, giving: .image(layer.output), as: "\(word) \(layer.output.short)")
    case .maxPool(let window):
      let input = try image(for: word, key)
      try check(key, "gets", input, below: Window.poolingLimit)
      let layer = try fit(
        MaxPooling(
          input, kernel: window.kernel, stride: window.stride, padding: window.padding),
        word, key, kernel: window.kernel, padding: window.padding)
      add(layer, giving: .image(layer.output), as: "\(word) \(layer.output.short)")
    case .averagePool(let window):
      let layer = try fit(
        AveragePooling(
          try image(for: word, key), kernel: window.kernel, stride: window.stride, padding: window.padding),
        word, key, kernel: window.kernel, padding: window.padding)
      add(layer, giving: .image(layer.output), as: "\(word) \(layer.output.short)")
    case .globalAveragePool:
      let input = try image(for: word, key)
      add(GlobalAveragePooling(input), giving: .flat(input.channels), as: "\(word) \(input.channels)")
    case .flatten:
      add(Flatten(count: shape.count), giving: .flat(shape.count), as: "\(word) \(shape.count)")
    case .activation(let function):
      add(Activation(function, count: shape.count), giving: shape, as: word)
    case .layerNorm:
      add(LayerNormalization(shape: shape.extents), giving: shape, as: word)
    case .residual(let specifications):
      var inner = Builder(inside: self)
      try inner.append(specifications, path: "\(key).residual")
      guard inner.shape == shape else {
        throw ShapeError(
          key: key,
          problem: "residual adds its input to its output, and its layers turn \(shape) into \(inner.shape); "
            + "make them keep the shape")
      }
      add(Residual(Stack(inner.layers)), giving: shape, as: "\(word) (\(inner.outline.joined(separator: ", ")))")
    }
  }

  /// The source of the shape, for errors.
  private var source: String { previous.map { "\($0) before it" } ?? "an example" }

  private func image(for word: String, _ key: String) throws(ShapeError) -> ImageShape {
    guard case .image(let image) = shape else {
      throw ShapeError(
        key: key,
        problem: "\(word) takes an image, and \(source) gives \(shape); put it before flatten and linear layers")
    }
    return image
  }

  private func fit<Windowed>(
    _ layer: Windowed?, _ word: String, _ key: String, kernel: Int, padding: Int
  ) throws(ShapeError) -> Windowed {
    guard let layer else {
      throw ShapeError(
        key: key,
        problem: "a kernel of \(kernel) does not fit into \(shape) with padding \(padding), which \(source) gives; "
          + "use a smaller kernel or a larger padding")
    }
    return layer
  }

  mutating func addHead(inputs: Int, classes: Int, hasBias: Bool) throws(ShapeError) {
    guard classes <= Self.limit else {
      throw ShapeError(key: "data.classes", problem: "\(classes) is too many; make it at most \(Self.limit)")
    }
    try check("data.classes", parameters: (inputs + 1) * classes)
    addLinear(inputs: inputs, outputs: classes, hasBias: hasBias)
  }

  private func check(_ key: String, parameters: Int) throws(ShapeError) {
    guard parameters <= Self.limit else {
      throw ShapeError(
        key: key, problem: "has \(parameters) parameters; make it smaller, at most \(Self.limit)")
    }
  }

  private func check(_ key: String, _ verb: String, _ image: ImageShape, below limit: Int) throws(ShapeError) {
    guard image.count < limit else {
      throw ShapeError(
        key: key, problem: "\(verb) \(image) numbers an example; make it smaller, less than \(limit) in all")
    }
  }
}

extension LayerSpecification {
  /// Whether the layer takes an image or flat features; nil if it takes both.
  fileprivate var takesImage: Bool? {
    switch self {
    case .convolution, .maxPool, .averagePool, .globalAveragePool: true
    case .linear, .flatten: false
    case .activation, .layerNorm: nil
    case .residual(let layers): layers.lazy.compactMap(\.takesImage).first
    }
  }
}

extension [LayerSpecification] {
  /// Whether the layers take examples for images.
  package var takeImages: Bool { lazy.compactMap(\.takesImage).first == true }
}

extension ImageShape {
  fileprivate var short: String { "\(channels)×\(height)×\(width)" }
}
