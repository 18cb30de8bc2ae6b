/// The classes that the labels of converted examples stand for.
struct ConversionClasses {
  /// The names of the classes; nil where they have numbers only.
  let names: [String]?
  /// The class of each distinct label text; nil where the labels are class numbers.
  private let numbers: [Int32]?
  /// The files of class numbers.
  private let files: SetFiles?
  private let namesPath: String?
  /// How numbers in arrays were matched with names other than their positions, for the user; nil elsewhere.
  let note: String?

  /// Throws exit code 65 for a label that is not among the names that the input comes with.
  init(_ stream: any ExampleStream, _ input: Conversion.Input) throws(DataError) {
    files = stream.labelFiles
    namesPath = input.classNames?.path
    guard stream.hasLabels else {
      (names, numbers, note) = (nil, nil, nil)
      return
    }
    guard let texts = stream.labelTexts else {
      (names, numbers, note) = (input.classNames?.names, nil, nil)
      return
    }
    if let known = input.classNames, stream.labelsAreValues {
      names = known.names
      let (numbers, note) = try known.numbers(ofValues: texts)
      (self.numbers, self.note) = (numbers, note)
    } else if let known = input.classNames {
      (names, numbers, note) = (known.names, try known.numbers(of: texts), nil)
    } else {
      let map = ClassMap(texts)
      (names, numbers, note) = (map.names, texts.texts.map { map.classNumber(of: $0)! }, nil)
    }
  }

  /// A count of 0 for each class that is known.
  var emptyCounts: [Int32: Int] {
    Dictionary(uniqueKeysWithValues: (names ?? []).indices.map { (Int32($0), 0) })
  }

  func name(_ number: Int32) -> String { names?[Int(number)] ?? "\(number)" }

  /// The classes of consecutive rows. Throws exit code 65 for a number that is no class.
  func numbers(of labels: [Int32], firstRow: Int) throws(DataError) -> [Int32] {
    if let numbers { return labels.map { numbers[Int($0)] } }
    if let row = labels.firstIndex(where: { $0 < 0 || $0 >= names?.count ?? .max }) {
      let allowed = namesPath.map { "\($0) names \(names!.count), counted from 0" } ?? "classes count from 0"
      let place = files!.place(of: firstRow + row)
      throw .badContents(
        place.path, "example \(place.row) has label \(labels[row]), and \(allowed); correct the label")
    }
    return labels
  }
}
