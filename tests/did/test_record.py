"""Rules of the record that only its readers would notice."""

import pytest

from chainnode.did.record import (
    SIGNING,
    Document,
    Extension,
    Facts,
    Method,
    Service,
    document_value,
    facts_value,
    read_document,
    read_facts,
)
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DOCUMENT


@pytest.mark.parametrize("name", ["id", "type", "serviceEndpoint", "", "@type", "a b", "é"])
def test_a_member_of_a_service_cannot_take_the_place_of_another_or_change_what_it_means(name):
    good = Service("a", "DIDStorage", "https://a.example", (("version", "1"),))
    assert read_facts(facts_value(Facts((good,)))).services == (good,)
    with pytest.raises(Malformed) as caught:
        read_facts(facts_value(Facts((Service("a", "DIDStorage", "https://a.example", ((name, "x"),)),))))
    assert caught.value.code == BAD_DOCUMENT


@pytest.mark.parametrize("endpoint", ["a.example", "https://a.example/é", "https://a.example/<x>", "https://a.example/\r\nx", "https:"])
def test_the_endpoint_of_a_service_is_a_uri_of_rfc_3986(endpoint):
    with pytest.raises(Malformed) as caught:
        read_facts(facts_value(Facts((Service("a", "DIDStorage", endpoint),))))
    assert caught.value.code == BAD_DOCUMENT


@pytest.mark.parametrize("number", ["byo", "byo12", "BYO1", "by-1", "byé1", ""])
def test_an_ac_number_is_four_lower_case_letters_or_digits(number):
    assert read_facts(facts_value(Facts(extension=Extension(acsns=("byo1", "0000"))))).extension.acsns == ("byo1", "0000")
    with pytest.raises(Malformed):
        read_facts(facts_value(Facts(extension=Extension(acsns=(number,)))))


def test_a_fragment_names_a_key_or_a_service_and_never_both():
    methods, other = (Method("a", "e", bytes(32), SIGNING),), Service("b", "DIDStorage", "https://b.example")
    good = Document(methods, facts=Facts((other,)))
    assert read_document(document_value(good)) == good
    with pytest.raises(Malformed) as caught:
        read_document(document_value(Document(methods, facts=Facts((other, Service("a", "DIDStorage", "https://a.example"))))))
    assert caught.value.code == BAD_DOCUMENT and "#a names a key and a service" in caught.value.detail
