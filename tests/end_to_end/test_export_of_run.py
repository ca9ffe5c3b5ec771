"""The export that a training writes into its run."""

from keras_attention.cards import damaged, read_card


def test_a_run_holds_its_export_with_its_card(finished):
    card = read_card(finished.export_path)
    assert list(card["formats"]) == ["savedmodel"]
    assert damaged(finished.export_path, card, "savedmodel") is None
    assert card["class_names"] == [str(digit) for digit in range(10)]
    assert card["image_size"] == 32
    assert card["result"]["accuracy"] == finished.metrics["accuracy"]
    assert card["training"]["score"] == "additive"
    assert card["training"]["precision"] == finished.metrics["precision"] == "float32", "not auto"
    assert finished.metrics["export_difference"] == card["formats"]["savedmodel"]["largest_difference"] <= 1e-4


def test_the_licence_of_the_digits_is_in_it(finished):
    card = read_card(finished.export_path)
    assert card["data"]["name"] == "cluttered_digits"
    assert card["data"]["images"] == finished.metrics["images"]
    assert card["data"]["licence"].startswith("CC BY 4.0 (Alpaydin and Kaynak")
    assert f"Licence of the data: {card['data']['licence']}." in (finished.export_path / "card.md").read_text("utf-8")
